/** Who holds a lock, as the lock file says it, and whether that one lives. */
import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import { isAlive, ownRef, type ProcessRef } from './process-ref.ts';

/** What a lock says about its owner to whoever is refused: a socket, an address. */
export type LockNote = Readonly<Record<string, string>>;

export interface Holder extends ProcessRef {
  /** Tells one lock from another of the same process. */
  readonly token: string;
  /** Identity of the machine's installation, its name, and of the process namespace (a container has its own). */
  readonly machine: string;
  readonly host: string;
  readonly space: string;
  readonly since: string;
  /** It listens beside the lock while it lives: for those who cannot see its process. */
  readonly hasBeacon: boolean;
  readonly note: LockNote;
}

/** `unknown`: a process of another machine or container, which cannot be seen from here. */
export type Verdict = 'alive' | 'dead' | 'unknown';

export function judge(holder: ProcessRef & Place, here: Place = ownPlace()): Verdict {
  const isHere = holder.machine === here.machine && holder.host === here.host;
  if (holder.bootId !== here.bootId) return isHere ? 'dead' : 'unknown'; // This machine was started anew since.
  if (holder.space !== here.space) return 'unknown';
  return isAlive(holder) ? 'alive' : 'dead';
}

/** Where a process runs. */
export type Place = Pick<Holder, 'machine' | 'host' | 'space' | 'bootId'>;

let place: Place | undefined;

/** Read once: a process keeps it. */
export function ownPlace(): Place {
  place ??= {
    machine: textOf('/etc/machine-id'),
    host: os.hostname(),
    space: linkOf('/proc/self/ns/pid'),
    bootId: ownRef().bootId,
  };
  return place;
}

/** This process as a holder. */
export function selfAsHolder(own: Pick<Holder, 'token' | 'note' | 'hasBeacon'>): Holder {
  return { ...ownRef(), ...ownPlace(), since: new Date().toISOString(), ...own };
}

/**
 * Undefined where the text names nobody. The locks of 0.1.0 said less: what they leave out is taken to be as it is here,
 * which is what that version took it for.
 */
export function parseHolder(text: string): Holder | undefined {
  const fields = parse(text);
  const pid = fields?.['pid'];
  const startTicks = Number(fields?.['startTicks'] ?? fields?.['processStart']);
  if (
    fields === undefined ||
    typeof pid !== 'number' ||
    !Number.isSafeInteger(pid) ||
    !Number.isSafeInteger(startTicks)
  )
    return undefined;
  const { machine, host, space, bootId } = ownPlace();
  const word = (name: string, otherwise: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value : otherwise;
  };
  return {
    pid,
    startTicks,
    bootId: word('bootId', bootId),
    machine: word('machine', machine),
    host: word('host', host),
    space: word('space', space),
    token: word('token', `${pid}-${startTicks}`),
    since: word('since', 'an unknown time'),
    hasBeacon: fields['hasBeacon'] === true,
    note: noteOf(fields),
  };
}

function noteOf(fields: Readonly<Record<string, unknown>>): LockNote {
  const note = typeof fields['note'] === 'object' ? { ...fields['note'] } : { socketPath: fields['socketPath'] };
  return Object.fromEntries(
    Object.entries(note).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return '';
  }
}
