/** What a relay needs of the viewer's side, whatever carries it: a WebSocket, or a plain stream. */
export interface Channel {
  /** Bytes that were sent and have not left this process. */
  readonly backlogBytes: number;
  /**
   * Sends `whole[from..to)`. `from` has `FRAME.headroomBytes` in front, which may be written over. `done` is called
   * once, when the buffer may be used again, also when the channel has gone.
   */
  send(whole: Buffer, from: number, to: number, done: () => void): void;
  pause(): void;
  resume(): void;
  /** Says goodbye and goes. Nothing is delivered afterwards. */
  close(code: number, reason: string): void;
  /** Goes at once. */
  destroy(): void;
}

/** What a channel tells. `onClosed` is last and comes exactly once. */
export interface ChannelEvents {
  /** Bytes from the viewer, which the receiver may overwrite. */
  onBytes(bytes: Buffer): void;
  onDrained(): void;
  onClosed(how: ChannelClose): void;
}

export interface ChannelClose {
  /** `peer`: the viewer said goodbye. `dropped`: it went without. `fault`: it broke the protocol. `local`: we closed. */
  readonly by: 'peer' | 'dropped' | 'fault' | 'local';
  readonly code: number;
}
