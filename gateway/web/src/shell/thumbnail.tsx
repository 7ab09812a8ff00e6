/** A small picture of a screen, fresh while it is looked at. */
import { DesktopIcon } from '@patternfly/react-icons/dist/esm/icons/desktop-icon';
import { useRef } from 'react';
import { useThumbnail } from './use-thumbnail.ts';

interface ThumbnailProps {
  readonly url: string | null;
  /** A screen that stands still need not be asked for again and again. */
  readonly isLive: boolean;
}

export function Thumbnail({ url, isLive }: ThumbnailProps) {
  const box = useRef<HTMLDivElement>(null);
  const picture = useThumbnail(url, isLive, box);
  return (
    <div className="oriel-thumbnail" ref={box}>
      {picture === undefined ? (
        <DesktopIcon className="oriel-thumbnail__icon" />
      ) : (
        <img src={picture} alt="" className="oriel-thumbnail__picture" />
      )}
    </div>
  );
}
