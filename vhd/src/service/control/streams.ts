/** How the argument of each stream is read from JSON. */
import type { DiskServiceStreams } from './api.ts';
import { type Fields, optional, text } from './checks.ts';

type Follow = (service: DiskServiceStreams, fields: Fields, signal: AbortSignal) => AsyncIterable<unknown>;

export const STREAMS: Readonly<Record<keyof DiskServiceStreams, Follow>> = {
  watchTasks: (service, fields, signal) => service.watchTasks(optional(fields, 'id', text(64)), signal),
  watchDisks: (service, _fields, signal) => service.watchDisks({}, signal),
};
