/** For whoever runs the gateway: what is not as it should be with it, above every page until it is put away. */
import { Alert, AlertActionCloseButton } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listNotices } from '../../../../api/notice.ts';
import { apiQuery } from '../../api/query.ts';
import { text } from '../../text/text.ts';

const words = text.shell.frame.gatewayNotices;
const EVERY_MS = 60_000;

export function GatewayNotices() {
  const { data } = useQuery({ ...apiQuery(listNotices, {}), refetchInterval: EVERY_MS });
  const [putAway, setPutAway] = useState<readonly string[]>([]);
  const shown = (data?.items ?? []).filter(({ origin }) => !putAway.includes(origin));
  if (shown.length === 0) return null;
  return (
    <div className="oriel-gateway-notices">
      {shown.map(({ origin, times }) => (
        <Alert
          key={origin}
          component="p"
          isInline
          variant="warning"
          title={words.unknownOrigin(origin)}
          actionClose={
            <AlertActionCloseButton aria-label={words.putAway} onClose={() => setPutAway([...putAway, origin])} />
          }
        >
          {words.unknownOriginWhy(origin, times)}
        </Alert>
      ))}
    </div>
  );
}
