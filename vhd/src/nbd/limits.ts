/**
 * BOUNDED: every number that keeps an NBD peer from costing more than its share. One object; the units are in the names.
 */
export interface NbdLimits {
  /** Largest payload of one read or write; announced as the maximum block size. Bigger reads are refused, bigger writes end the connection. */
  readonly payloadBytes: number;
  /** Options a client may send before it starts, and the bytes of each. */
  readonly handshakeOptions: number;
  readonly optionBytes: number;
  readonly exportNameBytes: number;
  readonly metaContextQueries: number;
  /** A handshake takes no longer, in milliseconds. */
  readonly handshakeMs: number;
  /** Connections of one export, over all its clients. */
  readonly connections: number;
  /** Requests of one connection that were read but not answered. */
  readonly requestsInFlight: number;
  /** Replies of one connection that its client has not taken yet; reading its requests stops there. */
  readonly replyBytesQueued: number;
  /** Received bytes of one connection that the disk has not taken yet. */
  readonly writeBytesInFlight: number;
  /** Runs in one block-status reply. */
  readonly statusExtents: number;
  /** Zeroes and trims go to the disk in steps of this, so that one request cannot hold it for long. */
  readonly zeroStepBytes: number;
}

export const NBD_LIMITS: NbdLimits = {
  payloadBytes: 32 << 20,
  handshakeOptions: 128,
  optionBytes: 16 << 10,
  exportNameBytes: 4096,
  metaContextQueries: 64,
  handshakeMs: 10_000,
  connections: 16,
  requestsInFlight: 128,
  replyBytesQueued: 2 << 20,
  writeBytesInFlight: 1 << 20,
  statusExtents: 4096,
  zeroStepBytes: 64 << 20,
};
