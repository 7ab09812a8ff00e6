/** Groups and their members. */
import { Button } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { createGroup, deleteGroup, type Group, listGroups } from '../../../../api/people.ts';
import { client } from '../../api/client.ts';
import { apiPages } from '../../api/query.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { TextField } from '../../shell/form/text-field.tsx';
import { refetch } from '../../shell/form/use-action.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { RowMenu } from '../../shell/list/row-menu.tsx';
import { text } from '../../text/text.ts';
import { GroupPolicyDialog } from '../policies/policy-dialog.tsx';
import { MembersDialog } from './members-dialog.tsx';

const words = text.console.people.groupsTab;
const { common } = text;

const COLUMNS: readonly Column<Group>[] = [
  { key: 'name', label: common.name, isLong: true, cell: ({ name }) => name },
  { key: 'members', label: words.members, cell: ({ members }) => members },
  { key: 'external', label: words.filledBy, isLong: true, cell: ({ external }) => external ?? 'hand' },
];

type Dialog =
  | { readonly kind: 'create' }
  | { readonly kind: 'delete'; readonly group: Group }
  | { readonly kind: 'members'; readonly group: Group }
  | { readonly kind: 'policy'; readonly group: Group };

export function GroupsTab() {
  const [dialog, setDialog] = useState<Dialog>();
  const query = useInfiniteQuery(apiPages(listGroups, { query: {} }));
  const close = () => setDialog(undefined);
  return (
    <>
      <div className="oriel-list__filters">
        <Button onClick={() => setDialog({ kind: 'create' })}>{words.newGroup}</Button>
      </div>
      <PagedTable
        query={query}
        label={common.groups}
        columns={COLUMNS}
        empty={words.noGroupsYet}
        emptyHint={words.assignDesktopsGroupsRatherThan}
        actions={(group) => (
          <RowMenu
            name={group.name}
            actions={[
              { key: 'members', label: words.membersOf, onSelect: () => setDialog({ kind: 'members', group }) },
              {
                key: 'policy',
                label: text.console.policies.policyDialog.open,
                onSelect: () => setDialog({ kind: 'policy', group }),
              },
              {
                key: 'delete',
                label: common.delete,
                isDanger: true,
                onSelect: () => setDialog({ kind: 'delete', group }),
              },
            ]}
          />
        )}
      />
      {dialog?.kind === 'create' && <GroupCreateDialog onClose={close} />}
      {dialog?.kind === 'members' && <MembersDialog group={dialog.group} onClose={close} />}
      {dialog?.kind === 'policy' && <GroupPolicyDialog group={dialog.group} onClose={close} />}
      {dialog?.kind === 'delete' && (
        <FormDialog
          title={words.askDeleteGroup(dialog.group.name)}
          submitLabel="Delete"
          isDanger
          onSubmit={() =>
            client
              .call(deleteGroup, { params: { groupId: dialog.group.id } })
              .then(() => refetch(['group.', 'user.', 'assignment.']))
          }
          onClose={close}
        >
          <p>{words.itsAssignmentsGoWithIts}</p>
        </FormDialog>
      )}
    </>
  );
}

function GroupCreateDialog({ onClose }: { readonly onClose: () => void }) {
  const [name, setName] = useState('');
  const [external, setExternal] = useState('');
  const create = async () => {
    const body = { name: name.trim(), external: external.trim() === '' ? null : external.trim() };
    await client.call(createGroup, { body, idempotencyKey: crypto.randomUUID() });
    void refetch(['group.']);
  };
  return (
    <FormDialog
      title={words.newGroup}
      submitLabel={common.make}
      isReady={name.trim() !== ''}
      onSubmit={create}
      onClose={onClose}
    >
      <TextField label={common.name} value={name} onChange={setName} isRequired hasFocus maxLength={64} />
      <TextField
        label={words.groupDirectoryOrSingleSign}
        hint={words.itsMembersJoinAtTheir}
        value={external}
        onChange={setExternal}
        maxLength={256}
      />
    </FormDialog>
  );
}
