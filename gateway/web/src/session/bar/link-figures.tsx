/** Round-trip time, frame rate and data rate of the connection. */
import { Tooltip } from '@patternfly/react-core';
import { inHeader } from '../../shell/frame/in-header.ts';
import type { UsedDisplay } from '../screen/use-display.ts';

export function LinkFigures({ used }: { readonly used: UsedDisplay }) {
  const { link, roundTripMs, framesPerSecond, bytesPerSecond, picture } = used;
  if (link.kind !== 'connected') return <span className="oriel-bar__figures" />;
  return (
    <Tooltip
      content={`${rate(bytesPerSecond)}, picture quality ${picture.quality} of 9`}
      position="bottom"
      appendTo={inHeader}
    >
      <span className="oriel-bar__figures" tabIndex={0} role="note" aria-label="Connection">
        <span title="Round-trip time">{roundTripMs === undefined ? '–' : roundTripMs} ms</span>
        <span title="Frames a second">{framesPerSecond} fps</span>
      </span>
    </Tooltip>
  );
}

/** Pure. */
export function rate(bytesPerSecond: number): string {
  const kbit = (bytesPerSecond * 8) / 1000;
  return kbit < 1000 ? `${Math.round(kbit)} kbit/s` : `${(kbit / 1000).toFixed(1)} Mbit/s`;
}
