/** The typed client of the control API, for the gateway, the command line and tests. */
import { Agent, request } from 'node:http';
import { VhdError, type VhdErrorCode } from '../../errors.ts';
import { API_VERSION, type DiskServiceApi, type DiskServiceStreams } from './api.ts';
import { follow } from './follow.ts';
import type { TaskInfo } from './task.ts';
import { VERBS } from './verbs.ts';
import { waitForTask } from './wait-for-task.ts';

/** Every verb of the service, and a little more. */
export interface DiskServiceClient extends DiskServiceApi, DiskServiceStreams {
  readonly socketPath: string;
  /**
   * Follows a task to its end, over restarts of the service for as long as `patienceMs` says. Errors: what the task failed
   * with, CANCELLED, NOT_FOUND, INTERRUPTED; SERVICE where the service ends meanwhile, and the task may go on after its
   * next start.
   */
  waitForTask(
    id: string,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (task: TaskInfo) => void },
  ): Promise<TaskInfo>;
  /** Lets go of idle connections. */
  disconnect(): void;
}

export interface ConnectOptions {
  /** How long a service that ended may take to be there again, while a task of it is waited for. Default 0. */
  readonly patienceMs?: number;
}

/** A client of the service on a socket. Nothing is sent yet; a verb fails with SERVICE when nobody answers. */
export function connectDiskService(socketPath: string, { patienceMs = 0 }: ConnectOptions = {}): DiskServiceClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const verbs = Object.keys(VERBS) as (keyof DiskServiceApi)[];
  const calls = Object.fromEntries(
    verbs.map((verb) => [verb, (argument?: unknown) => call(agent, socketPath, verb, argument)]),
  ) as unknown as DiskServiceApi;
  const streams: DiskServiceStreams = {
    watchTasks: (input, signal) => follow(socketPath, 'watchTasks', input, signal),
    watchDisks: (input, signal) => follow(socketPath, 'watchDisks', input, signal),
  };
  return {
    ...calls,
    ...streams,
    socketPath,
    waitForTask: (id, options) => waitForTask({ ...calls, ...streams }, id, { ...options, patienceMs }),
    disconnect: () => agent.destroy(),
  };
}

function call(agent: Agent, socketPath: string, verb: string, argument: unknown): Promise<unknown> {
  const body = argument === undefined ? '' : JSON.stringify(argument);
  return new Promise((resolve, reject) => {
    const lost = (cause: Error): void =>
      reject(new VhdError('SERVICE', `the disk service on ${socketPath} does not answer`, { cause }));
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = request(
      { socketPath, agent, method: 'POST', path: `/${API_VERSION}/${verb}`, headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', lost);
        response.on('end', () => {
          try {
            const value = JSON.parse(Buffer.concat(chunks).toString('utf8')) as {
              error?: { code: VhdErrorCode; message: string };
            };
            if (response.statusCode === 200) resolve(value);
            else
              reject(
                new VhdError(value.error?.code ?? 'SERVICE', value.error?.message ?? `status ${response.statusCode}`),
              );
          } catch (cause) {
            lost(cause as Error);
          }
        });
      },
    );
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      // The service had hung up an idle connection, unseen while this process was busy: it got nothing of the request.
      if (sent.reusedSocket && cause.code === 'EPIPE') call(agent, socketPath, verb, argument).then(resolve, reject);
      else lost(cause);
    });
    sent.end(body);
  });
}
