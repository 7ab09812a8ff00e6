/** Round-trip time, frame rate and data rate of the connection. */
import { Tooltip } from '@patternfly/react-core';
import { inHeader } from '../../shell/frame/in-header.ts';
import { text } from '../../text/text.ts';
import type { UsedDisplay } from '../screen/use-display.ts';

const words = text.session.figures;

export function LinkFigures({ used }: { readonly used: UsedDisplay }) {
  const { link, roundTripMs, framesPerSecond, bytesPerSecond, picture } = used;
  if (link.kind !== 'connected') return <span className="oriel-bar__figures" />;
  return (
    <Tooltip content={words.picture(rate(bytesPerSecond), picture.quality)} position="bottom" appendTo={inHeader}>
      <span className="oriel-bar__figures" tabIndex={0} role="note" aria-label={words.name}>
        <span title={words.roundTrip}>{words.roundTripMs(roundTripMs)}</span>
        <span title={words.framesPerSecond}>{words.fps(framesPerSecond)}</span>
      </span>
    </Tooltip>
  );
}

/** Pure. */
export function rate(bytesPerSecond: number): string {
  const kbit = (bytesPerSecond * 8) / 1000;
  return kbit < 1000 ? words.kbit(kbit) : words.mbit(kbit / 1000);
}
