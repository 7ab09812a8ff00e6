/** Where I am signed in, and "sign out there". */
import { Button, Card, CardBody, CardTitle, Label } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { type BrowserSession, endBrowserSession, listBrowserSessions } from '../../../api/auth.ts';
import { client } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { serverNow } from '../api/server-clock.ts';
import { useAction } from '../shell/form/use-action.ts';
import { formatAgo } from '../shell/format.ts';
import { type Column, DataTable } from '../shell/list/data-table.tsx';
import { text } from '../text/text.ts';
import { browserName } from './browser-name.ts';

const words = text.account.signInsCard;
const { common } = text;

const COLUMNS: readonly Column<BrowserSession>[] = [
  {
    key: 'where',
    label: words.browser,
    isLong: true,
    cell: ({ userAgent, isThis }) => (
      <>
        {browserName(userAgent)}{' '}
        {isThis && (
          <Label isCompact color="green">
            {words.one}
          </Label>
        )}
      </>
    ),
  },
  { key: 'address', label: common.from, cell: ({ address }) => address },
  { key: 'method', label: words.by, cell: ({ method }) => method },
  { key: 'seen', label: words.lastSeen, cell: ({ seenAt }) => formatAgo(seenAt, serverNow()) },
];

export function SignInsCard() {
  const query = useQuery(apiQuery(listBrowserSessions, {}));
  const act = useAction('browser-session.');
  return (
    <Card className="oriel-cards__wide">
      <CardTitle component="h2">{words.whereSigned}</CardTitle>
      <CardBody>
        <DataTable
          label={words.signIns}
          columns={COLUMNS}
          rows={query.data?.items ?? []}
          isLoading={query.isPending}
          empty={words.nowhere}
          actions={(session) =>
            !session.isThis && (
              <Button
                variant="link"
                size="sm"
                isInline
                aria-label={words.signOutThereAt(browserName(session.userAgent), session.address)}
                onClick={() =>
                  void act(words.signedOutThere, () =>
                    client.call(endBrowserSession, { params: { browserSessionId: session.id } }),
                  )
                }
              >
                {words.signOutThere}
              </Button>
            )
          }
        />
      </CardBody>
    </Card>
  );
}
