/** How the screen of a desktop meets the window. A picture that is blurred, or cut, is decided here. Pure. */

/** `scale`: shrink or grow the picture. `resize`: ask the desktop for the window's size. `actual`: one to one. */
export type FitChoice = 'scale' | 'resize' | 'actual';

export const FITS: readonly FitChoice[] = ['scale', 'resize', 'actual'];

/** What noVNC is told. */
export interface Fitting {
  readonly scaleViewport: boolean;
  readonly resizeSession: boolean;
  /** A part of the screen is shown and can be moved, where there are no scroll bars to do it. */
  readonly clipViewport: boolean;
}

/** Scaling stays on while the desktop is asked to resize: one that does not would be cut. */
export function fittingOf(fit: FitChoice, isTouch: boolean): Fitting {
  return {
    scaleViewport: fit !== 'actual',
    resizeSession: fit === 'resize',
    clipViewport: fit === 'actual' && isTouch,
  };
}

export interface Size {
  readonly w: number;
  readonly h: number;
}

/** The size of an element in the pixels of the display: a desktop is asked for these, or each of its pixels becomes several. */
export function devicePixels({ w, h }: Size, ratio: number): Size {
  return { w: Math.round(w * ratio), h: Math.round(h * ratio) };
}

/** Firmware and drivers round a size; what is further away was not heard. */
const ROUNDED_PIXELS = 16;

/** The desktop has another size than the one it was asked for. */
export function keptItsSize(asked: Size, has: Size): boolean {
  return ROUNDED_PIXELS < Math.abs(asked.w - has.w) || ROUNDED_PIXELS < Math.abs(asked.h - has.h);
}
