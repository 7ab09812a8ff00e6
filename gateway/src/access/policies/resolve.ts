/** What a session may do: each member from the last layer that says something about it, and which layer that was. Pure. */
import type { DecidedBy, PolicyLayer } from '../../../api/policy.ts';
import type { SessionPolicy } from '../../../api/session.ts';
import type { Clipboard, SessionRules } from '../../../api/session-rules.ts';
import { DEFAULT_POLICY } from './policy.ts';

export interface Layer {
  readonly layer: Exclude<PolicyLayer, 'default'>;
  /** Of a group. */
  readonly name: string | null;
  readonly rules: SessionRules;
}

export interface Resolved {
  readonly policy: SessionPolicy;
  readonly decidedBy: Readonly<Record<keyof SessionPolicy, DecidedBy>>;
}

/** From below. */
const ORDER = ['gateway', 'group', 'pool', 'desktop'] as const satisfies readonly Layer['layer'][];
type Member = keyof SessionPolicy;
const MEMBERS = Object.keys(DEFAULT_POLICY) as Member[];

export function resolve(layers: readonly Layer[]): Resolved {
  const policy: Record<string, unknown> = {};
  const decidedBy: Partial<Record<Member, DecidedBy>> = {};
  for (const member of MEMBERS) {
    policy[member] = DEFAULT_POLICY[member];
    decidedBy[member] = { layer: 'default', name: null };
    for (const name of ORDER) {
      const saying = layers.filter(({ layer, rules }) => layer === name && rules[member] !== undefined);
      if (saying.length === 0) continue;
      const said = saying.map(({ rules }): unknown => rules[member]);
      const value = said.reduce((a, b) => strictest(member, a, b));
      policy[member] = value;
      // Of several the one that alone says as much; where they only do together, the first.
      const by = saying.find(({ rules }) => isSame(rules[member], value)) ?? saying[0];
      decidedBy[member] = { layer: name, name: by?.name ?? null };
    }
  }
  return { policy: policy as SessionPolicy, decidedBy: decidedBy as Resolved['decidedBy'] };
}

/**
 * The first member of new rules that lets a session do more than something below says: who lays down rules for a desktop of
 * theirs does not lift what was laid down for all, or for a group. What was so before may stay.
 */
export function lifted(before: SessionRules, after: SessionRules, below: readonly SessionRules[]): Member | undefined {
  return MEMBERS.find((member) => {
    const value: unknown = after[member];
    if (value === undefined || isSame(before[member], value)) return false;
    const limits = below.map((rules): unknown => rules[member]).filter((limit) => limit !== undefined);
    return limits.some((limit) => !isSame(strictest(member, value, limit), value));
  });
}

/** Of what two groups say, what lets a session do less. `null` is no limit. */
function strictest(member: Member, a: unknown, b: unknown): unknown {
  switch (member) {
    case 'clipboard':
      return bothWays(a as Clipboard, b as Clipboard);
    case 'refusedKeys':
      return [...new Set([...(a as string[]), ...(b as string[])])];
    case 'canResize':
      return a === true && b === true;
    case 'warnMs': // An earlier warning takes nothing away.
      return Math.max(a as number, b as number);
    case 'clipboardBytes':
    case 'bandwidthBytesPerSecond':
    case 'idleMs':
    case 'absoluteMs':
    case 'graceMs': {
      const limit = Math.min((a as number | null) ?? Infinity, (b as number | null) ?? Infinity);
      return limit === Infinity ? null : limit;
    }
  }
}

/** The directions that both allow. */
function bothWays(a: Clipboard, b: Clipboard): Clipboard {
  if (a === 'both') return b;
  return b === 'both' || a === b ? a : 'off';
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
