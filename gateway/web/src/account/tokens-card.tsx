/** My API tokens. */
import { Button, Card, CardBody, CardTitle, Checkbox, ClipboardCopy, FormGroup } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type ApiToken, AUTH_LIMITS, createToken, deleteToken, listTokens, type Me } from '../../../api/auth.ts';
import { RIGHTS, type Right } from '../../../api/rights.ts';
import { client } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { FormDialog } from '../shell/form/form-dialog.tsx';
import { TextField } from '../shell/form/text-field.tsx';
import { refetch, useAction } from '../shell/form/use-action.ts';
import { formatAgo } from '../shell/format.ts';
import { type Column, DataTable } from '../shell/list/data-table.tsx';

const COLUMNS: readonly Column<ApiToken>[] = [
  { key: 'name', label: 'Name', isLong: true, cell: ({ name }) => name },
  { key: 'scopes', label: 'May', isLong: true, cell: ({ scopes }) => scopes.join(', ') },
  { key: 'expires', label: 'Expires', cell: ({ expiresAt }) => formatAgo(expiresAt, Date.now()) },
  { key: 'used', label: 'Used', cell: ({ usedAt }) => formatAgo(usedAt, Date.now()) },
];

export function TokensCard({ me }: { readonly me: Me }) {
  const query = useQuery(apiQuery(listTokens, {}));
  const [isCreating, setCreating] = useState(false);
  const [token, setToken] = useState<string>();
  const act = useAction('token.');
  return (
    <Card className="oriel-cards__wide">
      <CardTitle component="h2">API tokens</CardTitle>
      <CardBody>
        <DataTable
          label="API tokens"
          columns={COLUMNS}
          rows={query.data?.items ?? []}
          isLoading={query.isPending}
          isInCard
          empty="No tokens"
          emptyHint="For scripts and for the command line on other machines."
          actions={({ id, name }) => (
            <Button
              variant="link"
              size="sm"
              isInline
              isDanger
              aria-label={`Revoke the token ${name}`}
              onClick={() =>
                void act('The token is revoked', () => client.call(deleteToken, { params: { tokenId: id } }))
              }
            >
              Revoke
            </Button>
          )}
        />
        <Button variant="secondary" onClick={() => setCreating(true)}>
          Make a token
        </Button>
      </CardBody>
      {isCreating && <CreateDialog me={me} onToken={setToken} onClose={() => setCreating(false)} />}
      {token !== undefined && (
        <FormDialog
          title="Your new token"
          submitLabel="Done"
          onSubmit={() => Promise.resolve()}
          onClose={() => setToken(undefined)}
        >
          <p>Keep it now: it is not shown again.</p>
          <ClipboardCopy isReadOnly textAriaLabel="Token" hoverTip="Copy" clickTip="Copied">
            {token}
          </ClipboardCopy>
        </FormDialog>
      )}
    </Card>
  );
}

/** What shared/rights.ts says of each, in few words. */
const MAY: Readonly<Record<Right, string>> = {
  see: 'list desktops',
  view: 'watch their screens, without input',
  history: 'see what others typed on their consoles',
  open: 'use them',
  power: 'start, stop and reset them',
  manage: 'change and remove them',
  backup: 'back them up',
  restore: 'restore them',
  attach: 'give VMs disks and CD images of the library',
  network: 'tie VMs to networks of their hosts',
  limits: 'make VMs larger than the limits',
  watch: 'list, join, message and end the sessions of others',
  people: 'users, groups, tokens and assignments',
  audit: 'read the audit log',
  settings: 'the gateway itself, its hosts and its library',
};

interface CreateDialogProps {
  readonly me: Me;
  readonly onToken: (token: string) => void;
  readonly onClose: () => void;
}

function CreateDialog({ me, onToken, onClose }: CreateDialogProps) {
  const [name, setName] = useState('');
  const [days, setDays] = useState('90');
  const [scopes, setScopes] = useState<readonly Right[]>(['see']);
  const mine = new Set<Right>([...me.rights, ...me.desktops.flatMap(({ rights }) => rights)]);
  const create = async () => {
    const body = { name: name.trim(), scopes: [...scopes], expiresInDays: Number(days) };
    const { token } = await client.call(createToken, { body });
    onToken(token);
    void refetch(['token.']);
  };
  return (
    <FormDialog
      title="Make a token"
      submitLabel="Make it"
      isReady={name.trim() !== '' && 0 < scopes.length}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField
        label="Name"
        hint="What it is for"
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={64}
      />
      <TextField
        label="Days until it expires"
        type="number"
        min={1}
        max={AUTH_LIMITS.tokenMaxDays}
        value={days}
        onChange={setDays}
      />
      <FormGroup role="group" label="It may" fieldId="token-scopes">
        {RIGHTS.filter((right) => mine.has(right)).map((right) => (
          <Checkbox
            key={right}
            id={`scope-${right}`}
            label={right}
            description={MAY[right]}
            isChecked={scopes.includes(right)}
            onChange={(_, isOn) => setScopes(isOn ? [...scopes, right] : scopes.filter((each) => each !== right))}
          />
        ))}
      </FormGroup>
    </FormDialog>
  );
}
