/** What an admin lays down for the sessions on one desktop. The server enforces it; what is left out is the gateway's default. */
import { z } from 'zod';

export const Clipboard = z.enum(['off', 'in', 'out', 'both']);
export type Clipboard = z.infer<typeof Clipboard>;

const DAY_MS = 86_400_000;
export const SESSION_RULE_LIMITS = {
  minLimitMs: 1_000,
  maxLimitMs: 24 * DAY_MS,
  maxClipboardBytes: 16 << 20,
  minBandwidthBytesPerSecond: 16 << 10,
  maxBandwidthBytesPerSecond: 10 * 2 ** 30,
  refusedKeys: 32,
} as const;

const LIMITS = SESSION_RULE_LIMITS;
const duration = z.number().int().min(LIMITS.minLimitMs).max(LIMITS.maxLimitMs);

/** X11 names that the broker knows by keysym and by scan code (display/rfb/keys.ts). */
const KEY =
  '(?:(?:Control|Alt|Shift|Super)(?:_[LR])?|Delete|BackSpace|Tab|Escape|Return|Print|Pause|F(?:[1-9]|1[0-2])|[a-z])';
/** Pressed together, such as `Control+Alt+Delete`. */
export const KeyCombination = z
  .string()
  .max(64)
  .regex(new RegExp(`^${KEY}(?:\\+${KEY}){0,4}$`), 'must be key names joined by +, such as Control+Alt+Delete');

export const SessionRules = z.object({
  clipboard: Clipboard.exactOptional(),
  clipboardBytes: z.number().int().min(1).max(LIMITS.maxClipboardBytes).exactOptional(),
  refusedKeys: z.array(KeyCombination).max(LIMITS.refusedKeys).exactOptional(),
  bandwidthBytesPerSecond: z
    .number()
    .int()
    .min(LIMITS.minBandwidthBytesPerSecond)
    .max(LIMITS.maxBandwidthBytesPerSecond)
    .nullable()
    .exactOptional(),
  idleMs: duration.nullable().exactOptional(),
  absoluteMs: duration.nullable().exactOptional(),
  warnMs: duration.exactOptional(),
  graceMs: duration.exactOptional(),
  canResize: z.boolean().exactOptional(),
});
export type SessionRules = z.infer<typeof SessionRules>;
