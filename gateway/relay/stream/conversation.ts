/**
 * What is said over a relay, as a value machine: it sees the bytes of both directions, changes them in place, and may have
 * something to say itself. It knows no socket and no timer.
 */
export interface Conversation {
  /** Bytes from the viewer. Gives n: the first n bytes go to the VM, after what is queued in `forVm`. */
  fromViewer(bytes: Buffer): number;
  /** Bytes from the VM, `whole[from..to)`. Gives the new `to`: those go to the viewer, after what is queued in `forViewer`. */
  fromVm(whole: Buffer, from: number, to: number): number;
  /** Things to say, in order; the relay takes them out after each call. */
  readonly forVm: Buffer[];
  readonly forViewer: Buffer[];
}

/** One side broke what it speaks, or asked for what policy refuses. The relay ends with it. */
export class ConversationError extends Error {
  override readonly name = 'ConversationError';
  readonly side: 'viewer' | 'vm';
  readonly isPolicy: boolean;
  constructor(side: 'viewer' | 'vm', message: string, options?: ErrorOptions & { readonly isPolicy?: boolean }) {
    super(message, options);
    this.side = side;
    this.isPolicy = options?.isPolicy ?? false;
  }
}
