/** The formats of this library. A new one is a folder beside this file, and a line in each of these lists. */
import type { FormatName } from '../image/image.ts';
import type { ImageFormat, NativeFormat, Target } from './format.ts';
import { rawFormat, rawTarget } from './raw/raw-format.ts';
import { dynamicTarget, fixedTarget, vhdFormat } from './vhd/vhd-format.ts';

const FORMATS: Readonly<Record<FormatName, ImageFormat>> = { vhd: vhdFormat, raw: rawFormat };
const TARGETS: Readonly<Record<NativeFormat, Target>> = { raw: rawTarget, fixed: fixedTarget, dynamic: dynamicTarget };

/** All formats, in the order in which files are looked at. */
export const formats: readonly ImageFormat[] = Object.values(FORMATS);

/** A format by its name. */
export function formatNamed(name: FormatName): ImageFormat {
  return FORMATS[name];
}

/** What can be made, by the name that commands use. */
export function targetOf(name: NativeFormat): Target {
  return TARGETS[name];
}
