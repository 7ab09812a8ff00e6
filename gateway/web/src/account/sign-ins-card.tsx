/** Where I am signed in, and "sign out there". */
import { Button, Card, CardBody, CardTitle, Label } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { type BrowserSession, endBrowserSession, listBrowserSessions } from '../../../api/auth.ts';
import { client } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { useAction } from '../shell/form/use-action.ts';
import { formatAgo } from '../shell/format.ts';
import { type Column, DataTable } from '../shell/list/data-table.tsx';
import { browserName } from './browser-name.ts';

const COLUMNS: readonly Column<BrowserSession>[] = [
  {
    key: 'where',
    label: 'Browser',
    isLong: true,
    cell: ({ userAgent, isThis }) => (
      <>
        {browserName(userAgent)}{' '}
        {isThis && (
          <Label isCompact color="green">
            This one
          </Label>
        )}
      </>
    ),
  },
  { key: 'address', label: 'From', cell: ({ address }) => address },
  { key: 'method', label: 'By', cell: ({ method }) => method },
  { key: 'seen', label: 'Last seen', cell: ({ seenAt }) => formatAgo(seenAt, Date.now()) },
];

export function SignInsCard() {
  const query = useQuery(apiQuery(listBrowserSessions, {}));
  const act = useAction('browser-session.');
  return (
    <Card className="oriel-cards__wide">
      <CardTitle component="h2">Where you are signed in</CardTitle>
      <CardBody>
        <DataTable
          label="Sign-ins"
          columns={COLUMNS}
          rows={query.data?.items ?? []}
          isLoading={query.isPending}
          empty="Nowhere"
          actions={(session) =>
            !session.isThis && (
              <Button
                variant="link"
                size="sm"
                isInline
                aria-label={`Sign out there: ${browserName(session.userAgent)} at ${session.address}`}
                onClick={() =>
                  void act('Signed out there', () =>
                    client.call(endBrowserSession, { params: { browserSessionId: session.id } }),
                  )
                }
              >
                Sign out there
              </Button>
            )
          }
        />
      </CardBody>
    </Card>
  );
}
