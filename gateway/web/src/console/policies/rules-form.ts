/** The rules of sessions as a form has them (texts), and back. Pure. Empty leaves a rule to the layer below, 0 is no limit. */
import type { Clipboard, SessionRules } from '../../../../api/session-rules.ts';
import { text } from '../../text/text.ts';

const words = text.console.policies.rulesForm;

export interface RulesForm {
  readonly clipboard: Clipboard | '';
  readonly idleMinutes: string;
  readonly absoluteHours: string;
  readonly mbit: string;
  readonly refusedKeys: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const MBIT_BYTES = 125_000;

export function formOf(rules: SessionRules): RulesForm {
  return {
    clipboard: rules.clipboard ?? '',
    idleMinutes: textOf(rules.idleMs, MINUTE_MS),
    absoluteHours: textOf(rules.absoluteMs, HOUR_MS),
    mbit: textOf(rules.bandwidthBytesPerSecond, MBIT_BYTES),
    refusedKeys: (rules.refusedKeys ?? []).join(', '),
  };
}

/** `before`: what the form does not show stays. */
export function rulesOf(form: RulesForm, before: SessionRules): SessionRules {
  const { clipboard: _, idleMs: _i, absoluteMs: _a, bandwidthBytesPerSecond: _b, refusedKeys: _k, ...kept } = before;
  const refusedKeys = form.refusedKeys
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  return {
    ...kept,
    ...(form.clipboard === '' ? {} : { clipboard: form.clipboard }),
    ...(form.idleMinutes === '' ? {} : { idleMs: numberOf(form.idleMinutes, MINUTE_MS) }),
    ...(form.absoluteHours === '' ? {} : { absoluteMs: numberOf(form.absoluteHours, HOUR_MS) }),
    ...(form.mbit === '' ? {} : { bandwidthBytesPerSecond: numberOf(form.mbit, MBIT_BYTES) }),
    ...(refusedKeys.length === 0 ? {} : { refusedKeys }),
  };
}

/** In a line, for whoever reads. */
export function describeRules(rules: SessionRules): string {
  const { clipboard, idleMinutes, absoluteHours, mbit, refusedKeys } = formOf(rules);
  const parts = [
    clipboard === '' ? '' : `clipboard ${CLIPBOARDS[clipboard]}`,
    idleMinutes === '' ? '' : idleMinutes === '0' ? words.noIdleLimit : words.endsAfterIdleMinutes(idleMinutes),
    absoluteHours === '' ? '' : absoluteHours === '0' ? words.noLimitAll : words.endsAfterHours(absoluteHours),
    mbit === '' || mbit === '0' ? '' : `${mbit} Mbit/s`,
    refusedKeys === '' ? '' : `refuses ${refusedKeys}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? words.asBelow : parts.join('; ');
}
const CLIPBOARDS = { both: words.bothWays, in: words.onlyDesktop, out: words.onlyFromDesktop, off: 'off' } as const;

function textOf(value: number | null | undefined, unit: number): string {
  if (value === undefined) return '';
  return value === null ? '0' : String(value / unit);
}
function numberOf(text: string, unit: number): number | null {
  const value = Math.round(Number(text) * unit);
  return value === 0 ? null : value;
}

/** The rules that the form shows, each as one reads it: what holds, and not only what is laid down here. */
export const SHOWN_RULES = ['clipboard', 'idleMs', 'absoluteMs', 'bandwidthBytesPerSecond', 'refusedKeys'] as const;
type ShownRule = (typeof SHOWN_RULES)[number];

export function describeRule(rule: ShownRule, policy: SessionRules): string {
  const { clipboard, idleMinutes, absoluteHours, mbit, refusedKeys } = formOf(policy);
  switch (rule) {
    case 'clipboard':
      return clipboard === '' ? '' : CLIPBOARDS[clipboard];
    case 'idleMs':
      return idleMinutes === '0' ? words.none : words.minutes(idleMinutes);
    case 'absoluteMs':
      return absoluteHours === '0' ? words.none : words.hours(absoluteHours);
    case 'bandwidthBytesPerSecond':
      return mbit === '0' ? words.none : words.mbit(mbit);
    case 'refusedKeys':
      return refusedKeys === '' ? words.none : refusedKeys;
  }
}
