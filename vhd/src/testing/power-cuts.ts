/**
 * FLUSHED-IS-SAFE, the proof: everything a power cut could have left on the storage, for every entry of a recorded log.
 *
 * For each prefix of the log there are these states: everything issued has arrived; nothing has that no sync covers;
 * and seeded random ones, where of what no sync covers each sector arrived or did not, in any order, whole or (in some)
 * torn within. Names change in the order of the journal of a file system: of the changes that no folder sync covers, a
 * prefix has arrived.
 *
 *     const recording = new RecordingStorage(storage);
 *     recording.start();
 *     await operation({ storage: recording });
 *     const states = await replayPowerCuts(recording, { seed: 1, states: 2000, check: async (storage, cut) => { … } });
 */

import type { MemoryContent } from '../storage/memory-file.ts';
import { MemoryContent as Content } from '../storage/memory-file.ts';
import { type MemoryNode, MemoryStorage } from '../storage/memory-storage.ts';
import { SECTOR_BYTES } from '../units.ts';
import { Random } from './random.ts';
import type { LogEntry, RecordingStorage } from './recording-storage.ts';

/** The moment of a cut, and what kind of state it is. */
export interface Cut {
  /** Entries of the log before the cut. */
  readonly index: number;
  readonly state: 'issued' | 'synced' | 'subset' | 'torn';
  /** Marks before the cut, in order. */
  readonly marks: readonly string[];
  /** True in `torn` states: a sector may hold old bytes and new ones, changing at a multiple of eight. */
  readonly isTornWithin: boolean;
}

/** How cuts are tried. */
export interface PowerCutOptions {
  readonly seed: number;
  /** How many states to try; never fewer than one for each prefix of the log. */
  readonly states: number;
  /** True tries cuts after the last entry only. */
  readonly isEndOnly?: boolean;
  /**
   * Opens what is left, with the calls a user would make, and throws where something is wrong. `storage` holds the
   * files after the cut and may be written to.
   */
  readonly check: (storage: MemoryStorage, cut: Cut) => Promise<void> | void;
}

/**
 * How many cuts each power-loss test tries at depth 1, at least; more in proportion at other depths. Together 30,000:
 * the promise of `npm test`. Each of the tests counts its own and fails below its share.
 */
export const LEAST_CUTS = { disk: 5_000, operations: 10_500, merges: 4_500, service: 10_000 } as const;

/** Tries the cuts; returns how many. An error of `check` is thrown with the cut in its message. */
export async function replayPowerCuts(recording: RecordingStorage, options: PowerCutOptions): Promise<number> {
  const random = new Random(options.seed);
  const { log } = recording;
  const from = options.isEndOnly === true ? log.length : 0;
  const ofEach = Math.max(1, options.states / (log.length + 1 - from));
  const replay = new Replay(recording);
  let tried = 0;
  for (let index = 0; index <= log.length; index++) {
    const perCut = index < from ? 0 : Math.ceil(ofEach * (index + 1 - from)) - tried;
    for (let i = 0; i < perCut; i++) {
      const state = kindOf(i, perCut, random);
      const cut: Cut = { index, state, marks: replay.marks.slice(), isTornWithin: state === 'torn' };
      const storage = replay.after(state, random);
      try {
        await options.check(storage, cut);
      } catch (cause) {
        const near = log
          .slice(Math.max(0, index - 6), index)
          .map(describe)
          .join('; ');
        throw new Error(
          `power cut after ${index} of ${log.length}, ${state} (seed ${options.seed}, try ${tried}): ${String(cause)}\nbefore it: ${near}`,
          { cause },
        );
      }
      tried++;
    }
    const entry = log[index];
    if (entry !== undefined) replay.advance(entry, index);
  }
  return tried;
}

function kindOf(i: number, perCut: number, random: Random): Cut['state'] {
  if (perCut < 3) return random.pick(['issued', 'synced', 'subset', 'subset', 'torn'] as const);
  if (i === 0) return 'issued';
  if (i === 1) return 'synced';
  return random.chance(0.3) ? 'torn' : 'subset';
}

type FileEntry = Extract<LogEntry, { kind: 'write' | 'truncate' }>;
type NameEntry = Extract<LogEntry, { kind: 'create' | 'rename' | 'link' | 'remove' | 'mode' }>;

interface FileState {
  /** On stable storage, for certain. */
  durable: MemoryContent;
  /** Everything that was issued. */
  readonly issued: MemoryContent;
  pending: { readonly index: number; readonly entry: FileEntry }[];
}

interface NameState {
  readonly file: number;
  readonly isWritable: boolean;
}

/** The log, played entry by entry: what is certain, and what is not. */
class Replay {
  readonly marks: string[] = [];
  readonly #files = new Map<number, FileState>();
  #names: Map<string, NameState>;
  #pendingNames: { readonly index: number; readonly entry: NameEntry }[] = [];

  constructor(recording: RecordingStorage) {
    const { names, contents } = recording.started;
    this.#names = new Map([...names].map(([name, node]) => [name, { file: node.id, isWritable: node.isWritable }]));
    for (const [id, content] of contents)
      this.#files.set(id, { durable: content.clone(), issued: content.clone(), pending: [] });
  }

  advance(entry: LogEntry, index: number): void {
    switch (entry.kind) {
      case 'write':
      case 'truncate': {
        const file = this.#file(entry.file);
        apply(file.issued, entry);
        file.pending.push({ index, entry });
        return;
      }
      case 'sync': {
        const file = this.#file(entry.file);
        for (const one of file.pending) if (one.index < entry.covers) apply(file.durable, one.entry);
        file.pending = file.pending.filter((one) => entry.covers <= one.index);
        return;
      }
      case 'syncFolder':
        for (const one of this.#pendingNames) if (one.index < entry.covers) rename(this.#names, one.entry);
        this.#pendingNames = this.#pendingNames.filter((one) => entry.covers <= one.index);
        return;
      case 'mark':
        this.marks.push(entry.note);
        return;
      case 'create':
      case 'rename':
      case 'link':
      case 'remove':
      case 'mode':
        this.#pendingNames.push({ index, entry });
        return;
    }
  }

  /** A storage as a cut now could leave it. */
  after(state: Cut['state'], random: Random): MemoryStorage {
    const names = new Map(this.#names);
    const arrived =
      state === 'issued'
        ? this.#pendingNames.length
        : state === 'synced'
          ? 0
          : random.below(this.#pendingNames.length + 1);
    for (const { entry } of this.#pendingNames.slice(0, arrived)) rename(names, entry);
    const storage = new MemoryStorage();
    const nodes = new Map<number, MemoryNode>();
    for (const [name, { file, isWritable }] of names) {
      const known = nodes.get(file);
      if (known !== undefined) storage.nodes.set(name, known);
      else nodes.set(file, storage.put(name, this.#contentAfter(this.#file(file), state, random), isWritable));
    }
    return storage;
  }

  #contentAfter(file: FileState, state: Cut['state'], random: Random): MemoryContent {
    if (state === 'issued') return file.issued.clone();
    const content = file.durable.clone();
    if (state === 'synced') return content;
    const p = random.pick([0.1, 0.5, 0.9]);
    for (const { entry } of file.pending) {
      if (entry.kind === 'write') arrive(content, entry, p, state === 'torn', random);
      else if (random.chance(p)) apply(content, entry);
    }
    return content;
  }

  #file(id: number): FileState {
    const known = this.#files.get(id);
    if (known !== undefined) return known;
    const file = { durable: new Content(), issued: new Content(), pending: [] };
    this.#files.set(id, file);
    return file;
  }
}

/** Each sector of a write arrives or does not; torn ones in part. */
function arrive(
  content: MemoryContent,
  entry: Extract<LogEntry, { kind: 'write' }>,
  p: number,
  isTorn: boolean,
  random: Random,
): void {
  const { bytes, position } = entry;
  for (let at = 0; at < bytes.byteLength; ) {
    const length = Math.min(bytes.byteLength - at, SECTOR_BYTES - ((position + at) % SECTOR_BYTES));
    const words = Math.floor(length / 8);
    if (isTorn && random.chance(0.2)) content.write(bytes, at, random.below(words + 1) * 8, position + at);
    else if (random.chance(p)) content.write(bytes, at, length, position + at);
    at += length;
  }
}

function apply(content: MemoryContent, entry: FileEntry): void {
  if (entry.kind === 'write') content.write(entry.bytes, 0, entry.bytes.byteLength, entry.position);
  else content.truncate(entry.sizeBytes);
}

function rename(names: Map<string, NameState>, entry: NameEntry): void {
  switch (entry.kind) {
    case 'create':
      names.set(entry.path, { file: entry.file, isWritable: true });
      return;
    case 'remove':
      names.delete(entry.path);
      return;
    case 'mode': {
      const state = names.get(entry.path);
      if (state !== undefined) names.set(entry.path, { ...state, isWritable: entry.isWritable });
      return;
    }
    case 'rename':
    case 'link': {
      const state = names.get(entry.from);
      if (state === undefined) return;
      if (entry.kind === 'rename') names.delete(entry.from);
      names.set(entry.to, state);
      return;
    }
  }
}

function describe(entry: LogEntry): string {
  switch (entry.kind) {
    case 'write':
      return `write #${entry.file} ${entry.bytes.byteLength}@${entry.position}`;
    case 'truncate':
      return `truncate #${entry.file} ${entry.sizeBytes}`;
    case 'sync':
      return `sync #${entry.file}`;
    case 'create':
    case 'remove':
    case 'mode':
      return `${entry.kind} ${entry.path}`;
    case 'rename':
    case 'link':
      return `${entry.kind} ${entry.from} ${entry.to}`;
    case 'syncFolder':
      return `sync folder ${entry.folder}`;
    case 'mark':
      return `mark ${entry.note}`;
  }
}
