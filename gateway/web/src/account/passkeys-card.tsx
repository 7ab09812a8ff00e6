/** My passkeys. */
import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { deletePasskey, listPasskeys, type Passkey } from '../../../api/auth.ts';
import { client, ME_KEY } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { queryClient } from '../api/query-client.ts';
import { serverNow } from '../api/server-clock.ts';
import { FormDialog } from '../shell/form/form-dialog.tsx';
import { TextField } from '../shell/form/text-field.tsx';
import { refetch, useAction } from '../shell/form/use-action.ts';
import { formatAgo } from '../shell/format.ts';
import { type Column, DataTable } from '../shell/list/data-table.tsx';
import { createPasskey } from '../sign-in/passkey.ts';
import { text } from '../text/text.ts';

const words = text.account.passkeysCard;
const { common } = text;

const COLUMNS: readonly Column<Passkey>[] = [
  { key: 'name', label: common.name, isLong: true, cell: ({ name }) => name },
  { key: 'created', label: words.added, cell: ({ createdAt }) => formatAgo(createdAt, serverNow()) },
  { key: 'used', label: words.used, cell: ({ usedAt }) => formatAgo(usedAt, serverNow()) },
];

export function PasskeysCard() {
  const query = useQuery(apiQuery(listPasskeys, {}));
  const [isAdding, setAdding] = useState(false);
  const act = useAction('passkey.');
  return (
    <Card>
      <CardTitle component="h2">{words.passkeys}</CardTitle>
      <CardBody>
        <DataTable
          label={words.passkeys}
          columns={COLUMNS}
          rows={query.data?.items ?? []}
          isLoading={query.isPending}
          isInCard
          empty={words.noPasskeysYet}
          emptyHint={words.signWithYourFingerprintYour}
          actions={(passkey) => (
            <Button
              variant="link"
              size="sm"
              isInline
              isDanger
              aria-label={words.removePasskey(passkey.name)}
              onClick={() =>
                void act(words.passkeyGone, () => client.call(deletePasskey, { params: { passkeyId: passkey.id } }))
              }
            >
              {words.remove}
            </Button>
          )}
        />
        <Button variant="secondary" onClick={() => setAdding(true)}>
          {words.addPasskey}
        </Button>
      </CardBody>
      {isAdding && <AddDialog onClose={() => setAdding(false)} />}
    </Card>
  );
}

function AddDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const add = async () => {
    await createPasskey(name.trim());
    await refetch(['passkey.']);
    await queryClient.invalidateQueries({ queryKey: ME_KEY });
  };
  return (
    <FormDialog
      title={words.addPasskey}
      submitLabel={words.add}
      isReady={name.trim() !== ''}
      onSubmit={add}
      onClose={onClose}
    >
      <TextField
        label={common.name}
        hint={words.suchAsWorkLaptopBrowser}
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={64}
      />
    </FormDialog>
  );
}
