/** Which way the clipboard may go, and the moves between this device's clipboard and the desktop's. */
import type { Clipboard } from '../../../../api/session-rules.ts';

export interface ClipboardWays {
  /** From this device to the desktop. */
  readonly canSend: boolean;
  readonly canReceive: boolean;
}

/** The server enforces the policy; the page only hides what would be refused. */
export function clipboardWays(policy: Clipboard | undefined, mode: 'control' | 'view'): ClipboardWays {
  const canSend = mode === 'control' && (policy === undefined || policy === 'in' || policy === 'both');
  const canReceive = mode === 'control' && (policy === undefined || policy === 'out' || policy === 'both');
  return { canSend, canReceive };
}

/** The text on this device's clipboard when it may be read without asking; undefined otherwise. */
export async function readQuietly(): Promise<string | undefined> {
  try {
    const status = await navigator.permissions.query({ name: 'clipboard-read' as PermissionName });
    return status.state === 'granted' ? await navigator.clipboard.readText() : undefined;
  } catch {
    return undefined; // Firefox and Safari know no such permission.
  }
}

/** Whether it worked: browsers refuse without focus or permission. */
export async function writeQuietly(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether the desktop has a clipboard that the session reaches: a hypervisor has none of its own, its guest's agent has. */
export function hasClipboardChannel(hasScancodes: boolean, hasAgent: boolean | undefined): boolean {
  return !hasScancodes || hasAgent === true;
}

/** The bytes of a text as it goes over; what passes the limit is refused by the gateway, so that it is not sent at all. */
export function clipboardBytes(text: string): number {
  return new TextEncoder().encode(text.replace(/\r\n|\r|\n/g, '\r\n')).byteLength;
}
