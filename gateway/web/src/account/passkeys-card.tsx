/** My passkeys. */
import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { deletePasskey, listPasskeys, type Passkey } from '../../../api/auth.ts';
import { client, ME_KEY } from '../api/client.ts';
import { apiQuery } from '../api/query.ts';
import { queryClient } from '../api/query-client.ts';
import { FormDialog } from '../shell/form/form-dialog.tsx';
import { TextField } from '../shell/form/text-field.tsx';
import { refetch, useAction } from '../shell/form/use-action.ts';
import { formatAgo } from '../shell/format.ts';
import { type Column, DataTable } from '../shell/list/data-table.tsx';
import { createPasskey } from '../sign-in/passkey.ts';

const COLUMNS: readonly Column<Passkey>[] = [
  { key: 'name', label: 'Name', isLong: true, cell: ({ name }) => name },
  { key: 'created', label: 'Added', cell: ({ createdAt }) => formatAgo(createdAt, Date.now()) },
  { key: 'used', label: 'Used', cell: ({ usedAt }) => formatAgo(usedAt, Date.now()) },
];

export function PasskeysCard() {
  const query = useQuery(apiQuery(listPasskeys, {}));
  const [isAdding, setAdding] = useState(false);
  const act = useAction('passkey.');
  return (
    <Card>
      <CardTitle component="h2">Passkeys</CardTitle>
      <CardBody>
        <DataTable
          label="Passkeys"
          columns={COLUMNS}
          rows={query.data?.items ?? []}
          isLoading={query.isPending}
          isInCard
          empty="No passkeys yet"
          emptyHint="Sign in with your fingerprint, your face or a security key instead of a password."
          actions={(passkey) => (
            <Button
              variant="link"
              size="sm"
              isInline
              isDanger
              aria-label={`Remove the passkey ${passkey.name}`}
              onClick={() =>
                void act('The passkey is gone', () => client.call(deletePasskey, { params: { passkeyId: passkey.id } }))
              }
            >
              Remove
            </Button>
          )}
        />
        <Button variant="secondary" onClick={() => setAdding(true)}>
          Add a passkey
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
    <FormDialog title="Add a passkey" submitLabel="Add" isReady={name.trim() !== ''} onSubmit={add} onClose={onClose}>
      <TextField
        label="Name"
        hint="Such as: work laptop. The browser asks for the rest."
        value={name}
        onChange={setName}
        isRequired
        hasFocus
        maxLength={64}
      />
    </FormDialog>
  );
}
