/** A browser and system that people recognise, from the header that browsers send. Pure. */
import { text } from '../text/text.ts';

const words = text.account.browserName;

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, words.edge],
  [/OPR\//, words.opera],
  [/Firefox\//, words.firefox],
  [/Chrom(e|ium)\//, words.chrome],
  [/Safari\//, words.safari],
];
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/iPhone|iPad/, 'iOS'],
  [/Android/, words.android],
  [/Windows/, words.windows],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, words.linux],
];

export function browserName(userAgent: string): string {
  const find = (table: typeof BROWSERS) => table.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = find(BROWSERS);
  const system = find(SYSTEMS);
  if (browser === undefined && system === undefined) return userAgent.slice(0, 60) || 'unknown';
  return words.browserOn(browser ?? words.browser, system);
}
