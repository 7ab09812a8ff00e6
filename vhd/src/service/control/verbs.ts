/** How each verb's argument is read from JSON: hand-made checks, since what comes in is a peer's. Pure. */
import { VhdError } from '../../errors.ts';
import {
  type CopySource,
  type Description,
  type DiskServiceApi,
  EXPORT_FORMATS,
  IMPORT_FORMATS,
  type ListFilter,
  type OwnerChange,
} from './api.ts';
import {
  absolutePath,
  bytes,
  count,
  DESCRIPTION_CHARS,
  type Fields,
  flag,
  id,
  NAME_CHARS,
  object,
  oneOf,
  onlyId,
  operation,
  optional,
  owner,
  ownerOrNobody,
  PATH_CHARS,
  text,
  words,
  wrong,
} from './checks.ts';

/** Disks of one VM: more cannot be snapshot together. */
const DISKS_AT_ONCE = 32;

type Source = Parameters<DiskServiceApi['createDisk']>[0]['source'];
function source(value: unknown): Source {
  const fields = object(value, 'source');
  const from = oneOf('blank', 'image', 'file', 'snapshot')(fields['from'], 'source.from');
  switch (from) {
    case 'blank':
      return { from, sizeBytes: bytes(fields['sizeBytes'], 'source.sizeBytes') };
    case 'image':
      return { from, imageId: id(fields['imageId'], 'source.imageId'), ...optional(fields, 'sizeBytes', bytes) };
    case 'snapshot':
      return {
        from,
        diskId: id(fields['diskId'], 'source.diskId'),
        snapshotId: id(fields['snapshotId'], 'source.snapshotId'),
      };
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
  const all = value.map((one) => id(one, 'ids'));
  return new Set(all).size === all.length ? all : wrong('ids', 'ids of different disks');
}

function snapshotOf(fields: Fields): { readonly id: string; readonly snapshotId: string } {
  return { ...onlyId(fields), snapshotId: id(fields['snapshotId'], 'snapshotId') };
}

function copied(value: unknown): CopySource {
  const fields = object(value, 'from');
  if (fields['imageId'] !== undefined) return { imageId: id(fields['imageId'], 'from.imageId') };
  return { diskId: id(fields['diskId'], 'from.diskId'), ...optional(fields, 'snapshotId', id) };
}

const described = (fields: Fields): Description => ({
  ...optional(fields, 'name', text(NAME_CHARS)),
  ...optional(fields, 'description', words(DESCRIPTION_CHARS)),
});

const filter = (fields: Fields): ListFilter => optional(fields, 'owner', ownerOrNobody);

function ownerChange(fields: Fields): OwnerChange {
  return {
    ...onlyId(fields),
    owner: ownerOrNobody(fields['owner'], 'owner'),
    ...optional(fields, 'from', ownerOrNobody),
  };
}

/** Reads the argument of a verb and runs it. A field that is not known is ignored: newer clients may send more. */
type Run = (service: DiskServiceApi, fields: Fields) => Promise<unknown>;

export const VERBS: Readonly<Record<keyof DiskServiceApi, Run>> = {
  health: (service) => service.health(),
  stop: (service) => service.stop(),
  listImages: (service, fields) => service.listImages(filter(fields)),
  getImage: (service, fields) => service.getImage(onlyId(fields)),
  createImage: (service, fields) =>
    service.createImage({
      ...optional(fields, 'id', id),
      ...optional(fields, 'owner', owner),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      sizeBytes: bytes(fields['sizeBytes'], 'sizeBytes'),
    }),
  importImage: (service, fields) =>
    service.importImage({
      ...optional(fields, 'id', id),
      ...optional(fields, 'kind', oneOf('image', 'template')),
      ...optional(fields, 'owner', owner),
      ...optional(fields, 'format', oneOf(...IMPORT_FORMATS)),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      path: text(PATH_CHARS)(fields['path'], 'path'),
    }),
  sealImage: (service, fields) => service.sealImage(onlyId(fields)),
  setImageOwner: (service, fields) => service.setImageOwner(ownerChange(fields)),
  describeImage: (service, fields) => service.describeImage({ ...onlyId(fields), ...described(fields) }),
  removeImage: (service, fields) => service.removeImage(onlyId(fields)),
  checkImage: (service, fields) => service.checkImage({ ...onlyId(fields), ...optional(fields, 'isDeep', flag) }),
  compactImage: (service, fields) => service.compactImage(onlyId(fields)),
  repairImage: (service, fields) => service.repairImage(onlyId(fields)),
  resizeImage: (service, fields) =>
    service.resizeImage({
      ...onlyId(fields),
      ...optional(fields, 'isShrinking', flag),
      sizeBytes: bytes(fields['sizeBytes'], 'sizeBytes'),
    }),
  copyImage: (service, fields) =>
    service.copyImage({
      ...optional(fields, 'id', id),
      ...optional(fields, 'kind', oneOf('image', 'template')),
      ...optional(fields, 'owner', owner),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      from: copied(fields['from']),
    }),
  exportImage: (service, fields) =>
    service.exportImage({ from: copied(fields['from']), format: oneOf(...EXPORT_FORMATS)(fields['format'], 'format') }),
  listExports: (service) => service.listExports(),
  removeExport: (service, fields) => service.removeExport(onlyId(fields)),
  openImage: (service, fields) => service.openImage(onlyId(fields)),
  closeImage: (service, fields) => service.closeImage(onlyId(fields)),
  listDisks: (service, fields) => service.listDisks(filter(fields)),
  getDisk: (service, fields) => service.getDisk(onlyId(fields)),
  createDisk: (service, fields) =>
    service.createDisk({
      ...optional(fields, 'id', id),
      ...optional(fields, 'owner', owner),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      source: source(fields['source']),
    }),
  describeDisk: (service, fields) =>
    service.describeDisk({ ...onlyId(fields), ...described(fields), ...optional(fields, 'snapshotId', id) }),
  setDiskOwner: (service, fields) => service.setDiskOwner(ownerChange(fields)),
  setSnapshotOwner: (service, fields) => service.setSnapshotOwner({ ...ownerChange(fields), ...snapshotOf(fields) }),
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
  removeDisk: (service, fields) => service.removeDisk({ ...onlyId(fields), ...filter(fields) }),
  setRates: (service, fields) => {
    const rates = object(fields['rates'], 'rates');
    return service.setRates({
      ...onlyId(fields),
      rates: { ...optional(rates, 'iops', bytes), ...optional(rates, 'bytesPerSecond', bytes) },
    });
  },
  diskStats: (service, fields) => service.diskStats(onlyId(fields)),
  snapshotDisks: (service, fields) =>
    service.snapshotDisks({
      ids: ids(fields['ids']),
      name: text(NAME_CHARS)(fields['name'], 'name'),
      ...optional(fields, 'owner', owner),
      ...optional(fields, 'operationId', operation),
    }),
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
  compactDisk: (service, fields) => service.compactDisk(onlyId(fields)),
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
