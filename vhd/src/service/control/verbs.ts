/** How each verb's argument is read from JSON: hand-made checks, since what comes in is a peer's. Pure. */
import { isAbsolute } from 'node:path';
import { VhdError } from '../../errors.ts';
import { type DiskServiceApi, IMPORT_FORMATS } from './api.ts';
import { checkId } from './ids.ts';

type Fields = Readonly<Record<string, unknown>>;
type Check<T> = (value: unknown, name: string) => T;

const NAME_CHARS = 128;
const PATH_CHARS = 4096;
/** Disks of one VM: more cannot be snapshot together. */
const DISKS_AT_ONCE = 32;
const MAX_BYTES = 64 * 2 ** 40;

const wrong = (name: string, wanted: string): never => {
  throw new VhdError('USAGE', `${name} must be ${wanted}`);
};
const object: Check<Fields> = (value, name) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : wrong(name, 'an object');
const text =
  (chars: number): Check<string> =>
  (value, name) =>
    typeof value === 'string' && 0 < value.length && value.length <= chars && !value.includes('\0')
      ? value
      : wrong(name, `a text of at most ${chars} characters`);
const id: Check<string> = (value, name) => checkId(text(40)(value, name));
const bytes: Check<number> = (value, name) =>
  Number.isSafeInteger(value) && 0 < (value as number) && (value as number) <= MAX_BYTES
    ? (value as number)
    : wrong(name, `a number of bytes up to ${MAX_BYTES}`);
const count: Check<number> = (value, name) =>
  Number.isSafeInteger(value) && 0 <= (value as number) ? (value as number) : wrong(name, 'a whole number from 0');
const flag: Check<boolean> = (value, name) => (typeof value === 'boolean' ? value : wrong(name, 'true or false'));
const oneOf =
  <T extends string>(...words: readonly T[]): Check<T> =>
  (value, name) =>
    words.find((word) => word === value) ?? wrong(name, words.join(' or '));

const absolutePath: Check<string> = (value, name) => {
  const path = text(PATH_CHARS)(value, name);
  return isAbsolute(path) ? path : wrong(name, 'an absolute path');
};

/** An optional field: present in the result only where it was sent. */
function optional<K extends string, T>(fields: Fields, name: K, check: Check<T>): { readonly [P in K]?: T } {
  const value = fields[name];
  return value === undefined ? {} : ({ [name]: check(value, name) } as { readonly [P in K]?: T });
}

function onlyId(fields: Fields): { readonly id: string } {
  return { id: id(fields['id'], 'id') };
}

type Source = Parameters<DiskServiceApi['createDisk']>[0]['source'];
function source(value: unknown): Source {
  const fields = object(value, 'source');
  const from = oneOf('blank', 'image', 'file')(fields['from'], 'source.from');
  switch (from) {
    case 'blank':
      return { from, sizeBytes: bytes(fields['sizeBytes'], 'source.sizeBytes') };
    case 'image':
      return { from, imageId: id(fields['imageId'], 'source.imageId'), ...optional(fields, 'sizeBytes', bytes) };
    case 'file':
      return { from, path: absolutePath(fields['path'], 'source.path'), ...optional(fields, 'sizeBytes', bytes) };
  }
}

type Base = Parameters<DiskServiceApi['reparentDisk']>[0]['to'];
function base(value: unknown): Base {
  const fields = object(value, 'to');
  if (fields['imageId'] !== undefined) return { imageId: id(fields['imageId'], 'to.imageId') };
  return { path: absolutePath(fields['path'], 'to.path') };
}

function ids(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || DISKS_AT_ONCE < value.length)
    return wrong('ids', `1 to ${DISKS_AT_ONCE} ids`);
  return value.map((one) => id(one, 'ids'));
}

function snapshotOf(fields: Fields): { readonly id: string; readonly snapshotId: string } {
  return { ...onlyId(fields), snapshotId: id(fields['snapshotId'], 'snapshotId') };
}

/** Reads the argument of a verb and runs it. A field that is not known is ignored: newer clients may send more. */
type Run = (service: DiskServiceApi, fields: Fields) => Promise<unknown>;

export const VERBS: Readonly<Record<keyof DiskServiceApi, Run>> = {
  health: (service) => service.health(),
  stop: (service) => service.stop(),
  listImages: (service) => service.listImages(),
  getImage: (service, fields) => service.getImage(onlyId(fields)),
  createImage: (service, fields) =>
    service.createImage({
      ...optional(fields, 'id', id),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      sizeBytes: bytes(fields['sizeBytes'], 'sizeBytes'),
    }),
  importImage: (service, fields) =>
    service.importImage({
      ...optional(fields, 'id', id),
      ...optional(fields, 'kind', oneOf('image', 'template')),
      ...optional(fields, 'format', oneOf(...IMPORT_FORMATS)),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      path: text(PATH_CHARS)(fields['path'], 'path'),
    }),
  sealImage: (service, fields) => service.sealImage(onlyId(fields)),
  removeImage: (service, fields) => service.removeImage(onlyId(fields)),
  openImage: (service, fields) => service.openImage(onlyId(fields)),
  closeImage: (service, fields) => service.closeImage(onlyId(fields)),
  listDisks: (service) => service.listDisks(),
  getDisk: (service, fields) => service.getDisk(onlyId(fields)),
  createDisk: (service, fields) =>
    service.createDisk({
      ...optional(fields, 'id', id),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      source: source(fields['source']),
    }),
  openDisk: (service, fields) =>
    service.openDisk({
      ...onlyId(fields),
      ...optional(fields, 'mode', oneOf('write', 'read')),
      ...optional(fields, 'isHandover', flag),
      ...optional(fields, 'isRemote', flag),
    }),
  closeDisk: (service, fields) => service.closeDisk({ ...onlyId(fields), ...optional(fields, 'lease', count) }),
  openSnapshot: (service, fields) => service.openSnapshot(snapshotOf(fields)),
  closeSnapshot: (service, fields) => service.closeSnapshot(snapshotOf(fields)),
  removeDisk: (service, fields) => service.removeDisk(onlyId(fields)),
  setRates: (service, fields) => {
    const rates = object(fields['rates'], 'rates');
    return service.setRates({
      ...onlyId(fields),
      rates: { ...optional(rates, 'iops', bytes), ...optional(rates, 'bytesPerSecond', bytes) },
    });
  },
  diskStats: (service, fields) => service.diskStats(onlyId(fields)),
  snapshotDisks: (service, fields) =>
    service.snapshotDisks({ ids: ids(fields['ids']), name: text(NAME_CHARS)(fields['name'], 'name') }),
  removeSnapshot: (service, fields) =>
    service.removeSnapshot({ ...snapshotOf(fields), ...optional(fields, 'bytesPerSecond', bytes) }),
  mergeDown: (service, fields) =>
    service.mergeDown({ ...snapshotOf(fields), ...optional(fields, 'bytesPerSecond', bytes) }),
  commitLeaf: (service, fields) =>
    service.commitLeaf({ ...onlyId(fields), ...optional(fields, 'bytesPerSecond', bytes) }),
  discardLeaf: (service, fields) => service.discardLeaf(onlyId(fields)),
  growDisk: (service, fields) =>
    service.growDisk({ ...onlyId(fields), sizeBytes: bytes(fields['sizeBytes'], 'sizeBytes') }),
  reparentDisk: (service, fields) =>
    service.reparentDisk({ ...onlyId(fields), to: base(fields['to']), ...optional(fields, 'snapshotId', id) }),
  checkDisk: (service, fields) => service.checkDisk(onlyId(fields)),
  listTasks: (service) => service.listTasks(),
  getTask: (service, fields) => service.getTask({ id: text(64)(fields['id'], 'id') }),
  cancelTask: (service, fields) => service.cancelTask({ id: text(64)(fields['id'], 'id') }),
};

/** The argument of a call: nothing, or a JSON object. Errors: USAGE. */
export function parseArgument(body: string): Fields {
  if (body === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new VhdError('USAGE', 'the body is no JSON', { cause });
  }
  return object(value, 'the body');
}
