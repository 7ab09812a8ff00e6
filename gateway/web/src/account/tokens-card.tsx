/** My API tokens. */
import { Button, Card, CardBody, CardTitle, Checkbox, ClipboardCopy, FormGroup } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { type ApiToken, AUTH_LIMITS, createToken, deleteToken, listTokens, type Me } from '../../../api/auth.ts';
import { RIGHTS, type Right } from '../../../api/rights.ts';
import { client } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { serverNow } from '../api/server-clock.ts';
import { FormDialog } from '../shell/form/form-dialog.tsx';
import { TextField } from '../shell/form/text-field.tsx';
import { refetch, useAction } from '../shell/form/use-action.ts';
import { formatAgo } from '../shell/format.ts';
import { type Column, DataTable } from '../shell/list/data-table.tsx';
import { text } from '../text/text.ts';

const words = text.account.tokensCard;
const { common } = text;

const COLUMNS: readonly Column<ApiToken>[] = [
  { key: 'name', label: common.name, isLong: true, cell: ({ name }) => name },
  { key: 'scopes', label: words.may, isLong: true, cell: ({ scopes }) => scopes.join(', ') },
  { key: 'expires', label: words.expires, cell: ({ expiresAt }) => formatAgo(expiresAt, serverNow()) },
  { key: 'used', label: words.used, cell: ({ usedAt }) => formatAgo(usedAt, serverNow()) },
];

export function TokensCard({ me }: { readonly me: Me }) {
  const query = useQuery(apiQuery(listTokens, {}));
  const [isCreating, setCreating] = useState(false);
  const [token, setToken] = useState<string>();
  const act = useAction('token.');
  return (
    <Card className="oriel-cards__wide">
      <CardTitle component="h2">{words.apiTokens}</CardTitle>
      <CardBody>
        <DataTable
          label={words.apiTokens}
          columns={COLUMNS}
          rows={query.data?.items ?? []}
          isLoading={query.isPending}
          isInCard
          empty={words.noTokens}
          emptyHint={words.scriptsCommandLineOtherMachines}
          actions={({ id, name }) => (
            <Button
              variant="link"
              size="sm"
              isInline
              isDanger
              aria-label={words.revokeToken(name)}
              onClick={() => void act(words.tokenRevoked, () => client.call(deleteToken, { params: { tokenId: id } }))}
            >
              {words.revoke}
            </Button>
          )}
        />
        <Button variant="secondary" onClick={() => setCreating(true)}>
          {words.makeToken}
        </Button>
      </CardBody>
      {isCreating && <CreateDialog me={me} onToken={setToken} onClose={() => setCreating(false)} />}
      {token !== undefined && (
        <FormDialog
          title={words.yourNewToken}
          submitLabel={common.done}
          onSubmit={() => Promise.resolve()}
          onClose={() => setToken(undefined)}
        >
          <p>{words.keepNowNotShownAgain}</p>
          <ClipboardCopy isReadOnly textAriaLabel={words.token} hoverTip={common.copy} clickTip={common.copied}>
            {token}
          </ClipboardCopy>
        </FormDialog>
      )}
    </Card>
  );
}

/** What shared/rights.ts says of each, in few words. */
const MAY: Readonly<Record<Right, string>> = {
  see: words.listDesktops,
  view: words.watchTheirScreensWithoutInput,
  history: words.seeWhatOthersTypedTheir,
  open: words.useThem,
  power: words.startStopResetThem,
  manage: words.changeRemoveThem,
  backup: words.backThemUp,
  restore: words.restoreThem,
  attach: words.giveVmsDisksCdImages,
  network: words.tieVmsNetworksTheirHosts,
  limits: words.makeVmsLargerThanLimits,
  watch: words.listJoinMessageEndSessions,
  people: words.usersGroupsTokensAssignments,
  audit: words.readAuditLog,
  settings: words.gatewayItselfItsHostsIts,
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
      title={words.makeToken}
      submitLabel={common.make}
      isReady={name.trim() !== '' && 0 < scopes.length}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField
        label={common.name}
        hint={words.what}
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={64}
      />
      <TextField
        label={words.daysUntilExpires}
        type="number"
        min={1}
        max={AUTH_LIMITS.tokenMaxDays}
        value={days}
        onChange={setDays}
      />
      <FormGroup role="group" label={words.itMay} fieldId="token-scopes">
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
