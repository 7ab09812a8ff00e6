/** Encodings whose rectangles the gateway can walk without decoding them, and so lets a viewer ask for. Pure. */
import { ENCODING } from './protocol.ts';

/** Hextile and RRE are left out: walkable, but only tile by tile; all viewers in use know better ones. */
const WALKABLE: ReadonlySet<number> = new Set([
  ENCODING.raw,
  ENCODING.copyRect,
  ENCODING.zlib,
  ENCODING.tight,
  ENCODING.zrle,
  ENCODING.h264,
  ENCODING.tightPng,
  ENCODING.desktopSize,
  ENCODING.lastRect,
  ENCODING.cursor,
  ENCODING.xCursor,
  ENCODING.qemuPointerMotion,
  ENCODING.qemuExtendedKey,
  ENCODING.qemuAudio,
  ENCODING.qemuLed,
  ENCODING.vmwareLed,
  ENCODING.vmwareCursor,
  ENCODING.extendedDesktopSize,
  ENCODING.fence,
  ENCODING.continuousUpdates,
  ENCODING.extendedMouseButtons,
  ENCODING.extendedClipboard,
]);

/** Wishes, not encodings: quality and compression levels never come back as a rectangle. rfbproto, "Encodings". */
function isHint(encoding: number): boolean {
  return (
    (-32 <= encoding && encoding <= -23) ||
    (-256 <= encoding && encoding <= -247) ||
    (-512 <= encoding && encoding <= -412) ||
    (-768 <= encoding && encoding <= -763)
  );
}

export function isWalkable(encoding: number): boolean {
  return WALKABLE.has(encoding) || isHint(encoding);
}
