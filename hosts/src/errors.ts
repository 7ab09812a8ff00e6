/** The only error that leaves hosts/. Callers branch on `code`, people read `message`, `cause` keeps the original. */
/** Stable: a code is never renamed or reused. What each means for the caller is in docs/design/hosts.md. */
export type HostErrorCode =
  /** The host itself. */
  | 'HOST_NOT_CONNECTED'
  | 'HOST_UNREACHABLE'
  | 'HOST_PROTOCOL'
  | 'HOST_TIMEOUT'
  | 'HOST_RESOURCES'
  | 'HOST_LIMIT'
  | 'HOST_CLOSED'
  /** What was asked for. */
  | 'SPEC_INVALID'
  | 'SPEC_UNSUPPORTED'
  | 'SPEC_STALE'
  | 'PATH_TOO_LONG'
  /** A VM. */
  | 'VM_NOT_FOUND'
  | 'VM_STATE'
  | 'VM_BUSY'
  | 'VM_BROKEN'
  | 'VM_START_FAILED'
  | 'VM_DIED'
  | 'VM_REFUSED'
  /** A part of a VM. */
  | 'DEVICE_NOT_FOUND'
  | 'DEVICE_BUSY'
  | 'DISK_UNREACHABLE'
  | 'DISPLAY_UNSUPPORTED'
  | 'DISPLAY_EXPIRED'
  | 'SCREEN_UNAVAILABLE'
  | 'AGENT_ABSENT'
  | 'AGENT_TIMEOUT'
  | 'AGENT_REFUSED'
  | 'AGENT_PROTOCOL'
  | 'FREEZE_LOST'
  /** A task. */
  | 'TASK_CANCELLED'
  | 'TASK_LOST';

export class HostError extends Error {
  override readonly name = 'HostError';
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whatever was thrown, as a HostError: one of ours unchanged, anything else wrapped with its cause kept. */
export function toHostError(thrown: unknown, code: HostErrorCode, doing: string): HostError {
  if (thrown instanceof HostError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new HostError(code, `${doing}: ${detail}`, { cause: thrown });
}
