/**
 * The agent facet: what the gateway may ask of a guest, on top of the one-question-at-a-time client. Answers are data of
 * the guest's making, so every field is looked at before it is used.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type {
  AgentFacet,
  AgentOptions,
  ExecCommand,
  ExecResult,
  Freeze,
  FreezeOptions,
  GuestAddress,
} from '../../driver.ts';
import { HostError } from '../../errors.ts';
import type { VmId } from '../../ids.ts';
import { AGENT_LIMITS } from '../agent/channel.ts';
import type { Json } from '../qmp/framing.ts';
import { object, text } from '../qmp/message.ts';
import type { QemuVm } from '../vm/vm.ts';
import { askAgent } from './ask.ts';
import { freezeGuest } from './freeze.ts';

/** `find` throws VM_NOT_FOUND. */
export function agentFacet(find: (id: VmId) => QemuVm): AgentFacet {
  const ask = (
    id: VmId,
    command: string,
    args: Record<string, Json> | undefined,
    options: AgentOptions = {},
  ): Promise<Json> => askAgent(find(id), command, args, options);
  return {
    ping: async (id, options) => {
      await ask(id, 'guest-ping', undefined, options);
    },
    info: async (id, options) => {
      const info = object(await ask(id, 'guest-info', undefined, options));
      const commands = list(info['supported_commands']).map(object);
      return {
        version: text(info['version']),
        commands: commands.filter((command) => command['enabled'] === true).map((command) => text(command['name'])),
      };
    },
    addresses: async (id, options) => addressesOf(await ask(id, 'guest-network-get-interfaces', undefined, options)),
    freeze: (id, options: FreezeOptions = {}): Promise<Freeze> => freezeGuest(find(id), options),
    exec: (id, command, options) => execInGuest(find(id), command, options),
    setTime: async (id, epochMs = Date.now(), options = {}) => {
      await ask(id, 'guest-set-time', { time: epochMs * 1e6 }, options);
    },
    readFile: (id, path, options) => readGuestFile(find(id), path, options),
    writeFile: (id, path, data, options) => writeGuestFile(find(id), path, data, options),
  };
}

/** From `guest-network-get-interfaces`. PURE. */
export function addressesOf(answer: Json): readonly GuestAddress[] {
  return list(answer)
    .map(object)
    .flatMap((nic) =>
      list(nic['ip-addresses'])
        .map(object)
        .map((entry) => ({
          interface: text(nic['name']),
          ...(typeof nic['hardware-address'] === 'string' ? { mac: nic['hardware-address'] } : {}),
          family: entry['ip-address-type'] === 'ipv6' ? ('ipv6' as const) : ('ipv4' as const),
          address: text(entry['ip-address']),
          prefix: Number(entry['prefix'] ?? 0),
        })),
    );
}

const EXEC_MS = 30_000;
const EXEC_POLL_MS = { first: 10, most: 250 } as const;

async function execInGuest(vm: QemuVm, command: ExecCommand, options: AgentOptions = {}): Promise<ExecResult> {
  const end = Date.now() + (options.timeoutMs ?? EXEC_MS);
  const started = await askAgent(
    vm,
    'guest-exec',
    {
      path: command.path,
      arg: [...(command.args ?? [])],
      'capture-output': true,
      ...(command.input === undefined ? {} : { 'input-data': Buffer.from(command.input).toString('base64') }),
    },
    { ...options, timeoutMs: AGENT_LIMITS.commandMs },
  );
  const pid = Number(object(started)['pid']);
  for (let pauseMs: number = EXEC_POLL_MS.first; ; pauseMs = Math.min(EXEC_POLL_MS.most, pauseMs * 2)) {
    const status = object(
      await askAgent(vm, 'guest-exec-status', { pid }, { ...options, timeoutMs: AGENT_LIMITS.commandMs }),
    );
    if (status['exited'] === true) {
      return {
        exitCode: optionalNumber(status['exitcode']),
        signal: optionalNumber(status['signal']),
        stdout: bytesOf(status['out-data']),
        stderr: bytesOf(status['err-data']),
        isTruncated: status['out-truncated'] === true || status['err-truncated'] === true,
      };
    }
    if (end < Date.now()) throw new HostError('AGENT_TIMEOUT', `${command.path} in ${vm.id} did not end in time`);
    await delay(pauseMs);
  }
}

async function readGuestFile(vm: QemuVm, path: string, options: AgentOptions = {}): Promise<Uint8Array> {
  const handle = (await askAgent(vm, 'guest-file-open', { path, mode: 'rb' }, options)) as number;
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const chunk = object(await askAgent(vm, 'guest-file-read', { handle, count: AGENT_LIMITS.chunkBytes }, options));
      const bytes = bytesOf(chunk['buf-b64']);
      parts.push(bytes);
      size += bytes.byteLength;
      if (AGENT_LIMITS.fileBytes < size)
        throw new HostError('HOST_LIMIT', `${path} in ${vm.id} is larger than ${AGENT_LIMITS.fileBytes} bytes`);
      if (chunk['eof'] === true || bytes.byteLength === 0) return Buffer.concat(parts);
    }
  } finally {
    await askAgent(vm, 'guest-file-close', { handle }, options).catch(() => undefined);
  }
}

async function writeGuestFile(vm: QemuVm, path: string, data: Uint8Array, options: AgentOptions = {}): Promise<void> {
  if (AGENT_LIMITS.fileBytes < data.byteLength)
    throw new HostError('HOST_LIMIT', `${data.byteLength} bytes are more than ${AGENT_LIMITS.fileBytes}`);
  const handle = (await askAgent(vm, 'guest-file-open', { path, mode: 'wb' }, options)) as number;
  try {
    for (let at = 0; at < data.byteLength; at += AGENT_LIMITS.chunkBytes) {
      const chunk = data.subarray(at, at + AGENT_LIMITS.chunkBytes);
      const wrote = object(
        await askAgent(vm, 'guest-file-write', { handle, 'buf-b64': Buffer.from(chunk).toString('base64') }, options),
      );
      if (wrote['count'] !== chunk.byteLength) {
        throw new HostError(
          'AGENT_REFUSED',
          `the agent of ${vm.id} wrote ${JSON.stringify(wrote['count'])} of ${chunk.byteLength} bytes`,
        );
      }
    }
    await askAgent(vm, 'guest-file-flush', { handle }, options);
  } finally {
    await askAgent(vm, 'guest-file-close', { handle }, options).catch(() => undefined);
  }
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function bytesOf(value: Json | undefined): Uint8Array {
  return Buffer.from(text(value), 'base64');
}

function optionalNumber(value: Json | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
