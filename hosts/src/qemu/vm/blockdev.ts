/**
 * A disk as QEMU block nodes: the guest's device sits on a `raw` node that stays, over an NBD node that can be exchanged.
 * Spec: QEMU qapi/block-core.json, BlockdevOptionsNbd and BlockdevOptionsRaw. PURE.
 */
import { HostError } from '../../errors.ts';
import type { DeviceId } from '../../ids.ts';
import { parseFileUri, parseNbdUri } from '../../spec.ts';
import type { JsonObject } from '../qmp/framing.ts';

export interface NbdPolicy {
  /** How long requests wait for a disk service that is away before they fail and the VM pauses. */
  readonly reconnectDelayS: number;
}

/** The node that the device is plugged into. Its name does not change when the export does. */
export function rootNode(id: DeviceId): string {
  return `d-${id}`;
}

/** The node that dials: numbered, because the old and the new one live side by side during a swap. */
export function dialNode(id: DeviceId, round: number): string {
  return `n${round}-${id}`;
}

/** The device id inside a node name of ours, or undefined. */
export function deviceOfNode(node: string): string | undefined {
  return /^(?:d|n\d+)-(.+)$/.exec(node)?.[1];
}

export function nbdNode(id: DeviceId, round: number, uri: string, isReadOnly: boolean, policy: NbdPolicy): JsonObject {
  const { socketPath, exportName } = parseNbdUri(uri);
  return {
    driver: 'nbd',
    'node-name': dialNode(id, round),
    server: { type: 'unix', path: socketPath },
    export: exportName,
    'reconnect-delay': policy.reconnectDelayS,
    'read-only': isReadOnly,
    discard: 'unmap',
  };
}

/** Never a format that QEMU guesses, and never `vpc`: raw over whatever dials. */
export function rawNode(id: DeviceId, round: number, isReadOnly: boolean): JsonObject {
  return {
    driver: 'raw',
    'node-name': rootNode(id),
    file: dialNode(id, round),
    'read-only': isReadOnly,
    discard: 'unmap',
  };
}

/** What a CD drive holds. */
export function mediumNodes(id: DeviceId, round: number, uri: string, policy: NbdPolicy): readonly JsonObject[] {
  const path = parseFileUri(uri);
  const dial =
    path === undefined
      ? nbdNode(id, round, uri, true, policy)
      : { driver: 'file', 'node-name': dialNode(id, round), filename: path, 'read-only': true };
  return [dial, { ...rawNode(id, round, true), 'node-name': mediumNode(id, round) }];
}

/** A medium is exchanged as a whole, so its raw node is numbered too. */
export function mediumNode(id: DeviceId, round: number): string {
  return `m${round}-${id}`;
}

/** Which of our devices a BLOCK_IO_ERROR or query-block entry is about. */
export function deviceOfQdev(qdev: string): DeviceId {
  const id = /(?:^|\/)(?:disk|cd)-([a-z][a-z0-9-]*)(?:\/|$)/.exec(qdev)?.[1];
  if (id === undefined) throw new HostError('HOST_PROTOCOL', `QEMU names an unknown device ${qdev}`);
  return id as DeviceId;
}
