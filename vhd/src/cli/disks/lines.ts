/** What the disk service answers, as lines for people. A list has a line a thing, with tabs between its fields. */
import type {
  DiskInfo,
  DiskState,
  DiskStats,
  ExportInfo,
  ImageInfo,
  ServiceHealth,
} from '../../service/control/api.ts';
import { hasEnded, type TaskInfo } from '../../service/control/task.ts';
import { formatSize } from '../../units.ts';

const WIDTH = 12;
const field = (name: string, value: string | number): string => `${`${name}:`.padEnd(WIDTH)}${value}`;

export function diskRow(disk: DiskInfo): string {
  const { id, state, sizeBytes, storedBytes, name } = disk;
  return [id, state.state, formatSize(sizeBytes), formatSize(storedBytes), linksOf(disk), name].join('\t');
}

export function diskLines(disk: DiskInfo): readonly string[] {
  const { limits } = disk;
  const base = disk.imageId ?? disk.baseFile;
  const ceilings = [
    ...(limits.iops === undefined ? [] : [`${limits.iops} requests a second`]),
    ...(limits.bytesPerSecond === undefined ? [] : [`${formatSize(limits.bytesPerSecond)} a second`]),
  ];
  return [
    field('disk', disk.id),
    field('name', disk.name),
    field('size', `${formatSize(disk.sizeBytes)}, ${formatSize(disk.storedBytes)} stored`),
    ...(base === null ? [] : [field('based on', base)]),
    ...(disk.owner === null ? [] : [field('owner', disk.owner)]),
    field('chain', linksOf(disk)),
    ...(ceilings.length === 0 ? [] : [field('at most', ceilings.join(', '))]),
    ...stateLines(disk.state),
    ...disk.snapshots.map(({ id, name, storedBytes, createdAt }) =>
      field('snapshot', [id, createdAt, formatSize(storedBytes), name].join('\t')),
    ),
  ];
}

function linksOf({ chainLength, isChainLong }: DiskInfo): string {
  return `${chainLength} links${isChainLong ? ' (long: merge snapshots)' : ''}`;
}

function stateLines(state: DiskState): readonly string[] {
  switch (state.state) {
    case 'closed':
      return [field('state', 'closed')];
    case 'open':
      return [field('state', `open, ${state.connections} connections`), ...exportLines(state.export)];
    case 'faulted': {
      const { code, message, since, count } = state.fault;
      return [field('state', `faulted since ${since}, ${count} requests: ${message} (${code})`)].concat(
        exportLines(state.export),
      );
    }
    case 'broken':
      return [field('state', `broken: ${state.message} (${state.code})`)];
  }
}

export function exportLines({ uri, remoteUri, lease, mode }: ExportInfo): readonly string[] {
  return [
    field('uri', uri),
    ...(remoteUri === null ? [] : [field('remote uri', remoteUri)]),
    field('lease', `${lease}, to ${mode}`),
  ];
}

export function imageRow({ id, kind, sizeBytes, health, name }: ImageInfo): string {
  return [id, kind, formatSize(sizeBytes), health.state, name].join('\t');
}

export function imageLines(image: ImageInfo): readonly string[] {
  const { health } = image;
  return [
    field('image', image.id),
    field('name', image.name),
    field('kind', `${image.kind}${image.isSealed ? ', sealed' : ''}`),
    field('size', `${formatSize(image.sizeBytes)}, ${formatSize(image.storedBytes)} stored`),
    field('depended on', `by ${image.childCount}`),
    field('health', health.state === 'ok' ? 'ok' : `broken: ${health.message} (${health.code})`),
  ];
}

export function statsLines({ id, ...counts }: DiskStats): readonly string[] {
  return [field('disk', id), ...Object.entries(counts).map(([name, count]) => field(name, count))];
}

export function taskRow(task: TaskInfo): string {
  const { id, kind, target, state, progress, step, error } = task;
  const done = progress === null ? '' : `${Math.floor(progress * 100)} %`;
  return [id, kind, target, state, done, error?.message ?? (hasEnded(task) ? '' : step)].join('\t');
}

/** What came of a task, where its kind has nothing better to say. */
export function taskLines(task: TaskInfo): readonly string[] {
  const { state, kind, target } = task;
  return [state === 'done' ? `${kind} of ${target}: done` : taskRow(task)];
}

export function healthLines(health: ServiceHealth): readonly string[] {
  return [
    field('version', health.version),
    field('process', `${health.pid}, since ${health.startedAt}, ${formatSize(health.rssBytes)} of memory`),
    field('storage', `${health.storage}, ${formatSize(health.freeBytes)} free`),
    field('open disks', health.openDisks),
    field('tasks', health.runningTasks),
  ];
}
