/**
 * The four kinds of message a QMP server sends. Spec: QEMU docs/interop/qmp-spec, sections "Server Greeting",
 * "Commands Responses" and "Asynchronous events". PURE.
 */
import { HostError } from '../../errors.ts';
import type { Json, JsonObject } from './framing.ts';

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: string }
  | { readonly kind: 'return'; readonly id: number; readonly value: Json }
  | {
      readonly kind: 'error';
      readonly id: number | undefined;
      readonly errorClass: string;
      readonly description: string;
    }
  | { readonly kind: 'event'; readonly name: string; readonly data: JsonObject; readonly at: number };

export function classify(message: JsonObject): QmpMessage {
  if (typeof message['event'] === 'string') {
    return {
      kind: 'event',
      name: message['event'],
      data: object(message['data']),
      at: timestamp(message['timestamp']),
    };
  }
  if ('QMP' in message) return { kind: 'greeting', version: versionOf(object(message['QMP'])) };
  const id = typeof message['id'] === 'number' ? message['id'] : undefined;
  if ('error' in message) {
    const error = object(message['error']);
    return { kind: 'error', id, errorClass: text(error['class']), description: text(error['desc']) };
  }
  if ('return' in message && id !== undefined) return { kind: 'return', id, value: message['return'] as Json };
  throw new HostError('HOST_PROTOCOL', `not a QMP message: ${JSON.stringify(message).slice(0, 80)}`);
}

function versionOf(greeting: JsonObject): string {
  const version = object(object(greeting['version'])['qemu']);
  return [version['major'], version['minor'], version['micro']].map((part) => Number(part ?? 0)).join('.');
}

function timestamp(value: Json | undefined): number {
  const time = object(value);
  const ms = Number(time['seconds']) * 1000 + Math.floor(Number(time['microseconds']) / 1000);
  return Number.isFinite(ms) ? ms : 0;
}

export function object(value: Json | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
