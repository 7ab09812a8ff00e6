/** The formats of this library. A new one is a folder beside this file, and a line in each of these lists. */
import { VhdError } from '../errors.ts';
import type { FormatName } from '../image/image.ts';
import type { ImageFormat, NativeFormat, Target } from './format.ts';
import { rawFormat, rawTarget } from './raw/raw-format.ts';
import { dynamicTarget, fixedTarget, vhdFormat } from './vhd/vhd-format.ts';

const FORMATS: Readonly<Record<FormatName, ImageFormat>> = { vhd: vhdFormat, raw: rawFormat };
const TARGETS: Readonly<Record<NativeFormat, Target>> = { raw: rawTarget, fixed: fixedTarget, dynamic: dynamicTarget };

/** All formats, in the order in which files are looked at. */
export const formats: readonly ImageFormat[] = Object.values(FORMATS);

/** A format by its name. Errors: USAGE. */
export function formatNamed(name: FormatName): ImageFormat {
  return named(name, FORMATS);
}

/** What can be made, by the name that commands use. Errors: USAGE. */
export function targetOf(name: NativeFormat): Target {
  return named(name, TARGETS);
}

function named<T>(name: string, list: Readonly<Record<string, T>>): T {
  const found = Object.hasOwn(list, name) ? list[name] : undefined;
  if (found === undefined)
    throw new VhdError('USAGE', `${JSON.stringify(name)} is no format of ours: need ${Object.keys(list).join(', ')}`);
  return found;
}
