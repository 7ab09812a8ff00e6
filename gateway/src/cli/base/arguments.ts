/** Values of options, for commander: what people write for a number or a size. */
import { InvalidArgumentError } from 'commander';
import { parseBytes } from './output.ts';

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('not a whole number above 0');
  return value;
}

export function sizeInBytes(text: string): number {
  const count = parseBytes(text);
  if (count === undefined) throw new InvalidArgumentError('not a size such as 512M or 20G');
  return count;
}

/** In MiB; a number without a unit is one of them. */
export function mebibytes(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) * 2 ** 20 : sizeInBytes(text);
  return Math.round(count / 2 ** 20);
}
