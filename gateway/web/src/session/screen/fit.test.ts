import { expect, test } from 'vitest';
import { devicePixels, type FitChoice, fittingOf, keptItsSize } from './fit.ts';

test.for<{ fit: FitChoice; isTouch: boolean; told: readonly [boolean, boolean, boolean] }>([
  { fit: 'scale', isTouch: false, told: [true, false, false] },
  { fit: 'scale', isTouch: true, told: [true, false, false] },
  { fit: 'resize', isTouch: false, told: [true, true, false] },
  { fit: 'resize', isTouch: true, told: [true, true, false] },
  { fit: 'actual', isTouch: false, told: [false, false, false] },
  { fit: 'actual', isTouch: true, told: [false, false, true] },
])('$fit, touch $isTouch: scale, resize, clip', ({ fit, isTouch, told }) => {
  const { scaleViewport, resizeSession, clipViewport } = fittingOf(fit, isTouch);
  expect([scaleViewport, resizeSession, clipViewport]).toEqual(told);
});

test.for([
  { ratio: 1, w: 1280, h: 720 },
  { ratio: 2, w: 2560, h: 1440 },
  { ratio: 1.25, w: 1600, h: 900 },
])('a display of $ratio has $w by $h pixels in 1280 by 720', ({ ratio, w, h }) => {
  expect(devicePixels({ w: 1280, h: 720 }, ratio)).toEqual({ w, h });
});

test('a size that was rounded was heard', () => {
  expect(keptItsSize({ w: 1283, h: 721 }, { w: 1280, h: 720 })).toBe(false);
  expect(keptItsSize({ w: 1283, h: 721 }, { w: 640, h: 400 })).toBe(true);
  expect(keptItsSize({ w: 1283, h: 721 }, { w: 1280, h: 400 })).toBe(true);
});
