/** A small picture of a screen, fresh while it is looked at. */
import { DesktopIcon } from '@patternfly/react-icons/dist/esm/icons/desktop-icon';
import { useRef, useState } from 'react';
import { useThumbnail } from './use-thumbnail.ts';
import './card.css';
import { text } from '../../text/text.ts';

const words = text.shell.card.thumbnail;

interface ThumbnailProps {
  /** Whose screen it is. */
  readonly of: string;
  readonly url: string | null;
  /** A screen that stands still need not be asked for again and again. */
  readonly isLive: boolean;
}

export function Thumbnail({ of, url, isLive }: ThumbnailProps) {
  const box = useRef<HTMLDivElement>(null);
  const picture = useThumbnail(url, isLive, box);
  // The picture that the browser could not read, if any.
  const [broken, setBroken] = useState<string>();
  return (
    <div className="oriel-thumbnail" ref={box}>
      {picture === undefined || picture === broken ? (
        <DesktopIcon className="oriel-thumbnail__icon" />
      ) : (
        <img
          src={picture}
          alt={words.screen(of)}
          className="oriel-thumbnail__picture"
          onError={() => setBroken(picture)}
        />
      )}
    </div>
  );
}
