/**
 * Reads the picture that the toy guest draws (hosts/guests/toy/toy.asm): VGA mode 13h, which QEMU shows doubled, so
 * 640 by 400. Bars name the guest, 32 cells along the bottom edge are its boot counter, typed text stands between.
 */
import { PNG } from 'pngjs';

type Colour = readonly [number, number, number];

const SCALE = 2;
const WIDTH = 320 * SCALE;
const HEIGHT = 200 * SCALE;
/** The eight bars along the top, as VGA's default palette has them. */
const BARS: readonly Colour[] = [
  [255, 255, 255],
  [255, 255, 85],
  [85, 255, 255],
  [85, 255, 85],
  [255, 85, 255],
  [255, 85, 85],
  [85, 85, 255],
  [0, 0, 0],
];

export interface ToyScreen {
  /** How often the guest has booted from its disk. */
  readonly bootCount: number;
  /** Pixels in the text area that are not background: more after typing. */
  readonly textPixels: number;
}

/** What the picture says, or nothing where it is not the toy guest's. */
export function readToyScreen(png: Buffer): ToyScreen | undefined {
  const image = PNG.sync.read(png);
  if (image.width !== WIDTH || image.height !== HEIGHT) return undefined;
  const at = (x: number, y: number): Colour => {
    const i = (y * SCALE * image.width + x * SCALE) * 4;
    return [image.data[i] ?? 0, image.data[i + 1] ?? 0, image.data[i + 2] ?? 0];
  };
  if (!BARS.every((bar, i) => isNear(at(i * 40 + 20, 32), bar))) return undefined;
  const background = at(2, 100);
  let textPixels = 0;
  for (let y = 120; y < 184; y++) for (let x = 0; x < 320; x++) if (!isNear(at(x, y), background)) textPixels++;
  let bootCount = 0;
  for (let cell = 0; cell < 32; cell++)
    bootCount = bootCount * 2 + (isNear(at(cell * 10 + 5, 196), [255, 255, 255]) ? 1 : 0);
  return { bootCount, textPixels };
}

/** Lossy encodings move a colour a little. */
function isNear(a: Colour, b: Colour): boolean {
  return a.every((value, i) => Math.abs(value - (b[i] ?? 0)) < 48);
}
