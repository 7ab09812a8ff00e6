/** One desktop: its picture, its name, its state; the whole card opens it. */
import { Card, CardBody } from '@patternfly/react-core';
import { EyeIcon } from '@patternfly/react-icons/dist/esm/icons/eye-icon';
import { Link } from 'react-router';
import type { Desktop } from '../../../api/desktop.ts';
import { sentence } from '../api/client.ts';
import { Thumbnail } from '../shell/card/thumbnail.tsx';
import { StateLabel } from '../shell/list/state-label.tsx';
import { text } from '../text/text.ts';

const words = text.portal.desktopCard;

export function DesktopCard({ desktop }: { readonly desktop: Desktop }) {
  const { id, name, description, state, reason, rights } = desktop;
  const isViewOnly = !rights.includes('open') && rights.includes('view');
  return (
    <li>
      <Card className="oriel-card oriel-card--link" isFullHeight>
        <Thumbnail of={name} url={desktop.thumbnailUrl} isLive={state === 'running'} />
        <CardBody className="oriel-card__body">
          <div className="oriel-card__line">
            {/* The link is the name; style sheets stretch it over the card. */}
            <Link to={`/desktops/${encodeURIComponent(id)}`} className="oriel-card__name">
              {name}
            </Link>
            <StateLabel state={state} />
          </div>
          {description !== '' && <p className="oriel-card__text">{description}</p>}
          {reason !== null && <p className="oriel-card__reason">{sentence(reason)}</p>}
          {isViewOnly && (
            <p className="oriel-card__text">
              <EyeIcon /> {words.viewOnly}
            </p>
          )}
        </CardBody>
      </Card>
    </li>
  );
}
