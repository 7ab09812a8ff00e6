/**
 * Makes noVNC count in the pixels of the display. It counts in CSS pixels, of which a HiDPI display has fewer: a desktop that
 * takes the window's size would be blurred, and one pixel for one pixel would show four. (noVNC 1.7, core/rfb.js: the three
 * methods are called by name on each change of the window.)
 */
import type RFB from '@novnc/novnc';
import { devicePixels, type Size } from './fit.ts';

interface Insides {
  _screenSize(): Size;
  _updateScale(): void;
  _updateClip(): void;
  _requestRemoteResize(): void;
  readonly _display: { scale: number };
  readonly _fbWidth: number;
  readonly _fbHeight: number;
}

export function countInDevicePixels(rfb: RFB): void {
  const inside = rfb as RFB & Insides;
  const screenSize = inside._screenSize.bind(inside);
  const inPixels = (work: () => void) => (): void => {
    inside._screenSize = () => devicePixels(screenSize(), window.devicePixelRatio);
    try {
      work();
    } finally {
      inside._screenSize = screenSize;
    }
  };
  inside._requestRemoteResize = inPixels(inside._requestRemoteResize.bind(inside));
  inside._updateClip = inPixels(inside._updateClip.bind(inside));
  const updateScale = inside._updateScale.bind(inside);
  inside._updateScale = () => {
    updateScale();
    if (!rfb.scaleViewport) inside._display.scale = 1 / window.devicePixelRatio;
  };
}

/** The size that the desktop is asked for, and the one that it has. */
export function sizesOf(rfb: RFB): { readonly asked: Size; readonly has: Size } {
  const inside = rfb as RFB & Insides;
  return {
    asked: devicePixels(inside._screenSize(), window.devicePixelRatio),
    has: { w: inside._fbWidth, h: inside._fbHeight },
  };
}
