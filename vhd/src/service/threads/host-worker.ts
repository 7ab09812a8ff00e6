/** The entry of a worker thread that serves disks: calls in, answers, faults and troubles out. */
import { parentPort } from 'node:worker_threads';
import { VhdError } from '../../errors.ts';
import { listenNbd } from '../../nbd/server.ts';
import { fileSystem } from '../../storage/storage.ts';
import { DiskHost } from './disk-host.ts';
import type { HostCall, HostMessage } from './host-pool.ts';

const port = parentPort;
if (port === null) throw new VhdError('USAGE', 'host-worker runs as a worker thread only');
const say = (message: HostMessage): void => port.postMessage(message);
const host = new DiskHost({
  storage: fileSystem,
  listen: listenNbd,
  onFault: (key, fault) => say({ kind: 'fault', key, fault }),
  onTrouble: (key, reason) => say({ kind: 'trouble', key, reason }),
});

port.on('message', ({ id, method, args }: HostCall) => {
  const run = host[method] as (...args: readonly unknown[]) => Promise<unknown>;
  run.call(host, ...args).then(
    (value) => say({ kind: 'result', id, value }),
    (error: unknown) => {
      const code = error instanceof VhdError ? error.code : 'SERVICE';
      say({ kind: 'error', id, code, message: error instanceof Error ? error.message : String(error) });
    },
  );
});
