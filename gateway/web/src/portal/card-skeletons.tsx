/** Places for cards that are on their way, of the size that they will have: nothing jumps when they come. */
import { Card, CardBody, Skeleton } from '@patternfly/react-core';
import '../shell/card/card.css';
import { text } from '../text/text.ts';

const words = text.portal.cardSkeletons;

export function CardSkeletons({ count }: { readonly count: number }) {
  return Array.from({ length: count }, (_, index) => (
    <li key={index}>
      <Card className="oriel-card">
        <div className="oriel-thumbnail" />
        <CardBody>
          <Skeleton width="60%" screenreaderText={index === 0 ? words.loadingDesktops : ''} />
        </CardBody>
      </Card>
    </li>
  ));
}
