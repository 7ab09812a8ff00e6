/** Who is in a group. */
import { Button, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { addMember, type Group, listUsers, removeMember, type User } from '../../../../api/people.ts';
import { client } from '../../api/client.ts';
import { apiQuery } from '../../api/query.ts';
import { SelectField } from '../../shell/form/select-field.tsx';
import { useAction } from '../../shell/form/use-action.ts';
import { type Column, DataTable } from '../../shell/list/data-table.tsx';
import { text } from '../../text/text.ts';

const words = text.console.people.membersDialog;
const { common } = text;

const COLUMNS: readonly Column<User>[] = [
  { key: 'name', label: common.name, isLong: true, cell: ({ name }) => name },
  { key: 'full', label: words.fullName, isLong: true, cell: ({ displayName }) => displayName },
];

export function MembersDialog({ group, onClose }: { readonly group: Group; readonly onClose: () => void }) {
  const members = useQuery(apiQuery(listUsers, { query: { groupId: group.id, limit: 500 } }));
  const users = useQuery(apiQuery(listUsers, { query: { limit: 500 } }));
  const [userId, setUserId] = useState('');
  const act = useAction('user.', 'group.');
  const inside = members.data?.items ?? [];
  const others = (users.data?.items ?? []).filter((user) => !inside.some((each) => each.id === user.id));
  const chosen = others.find((user) => user.id === userId) ?? others[0];
  const isByHand = group.external === null;
  const change = (user: User, route: typeof addMember, done: string) =>
    void act(`${user.name}: ${done}`, () => client.call(route, { params: { groupId: group.id, userId: user.id } }));
  return (
    <Modal isOpen variant="medium" onClose={onClose} aria-labelledby="members-title">
      <ModalHeader title={words.members(group.name)} labelId="members-title" />
      <ModalBody>
        {isByHand ? (
          <div className="oriel-list__filters">
            <SelectField
              label={words.user}
              value={chosen?.id ?? ''}
              options={
                others.length === 0
                  ? [{ value: '', label: words.everybody }]
                  : others.map(({ id, name }) => ({ value: id, label: name }))
              }
              onChange={setUserId}
            />
            <Button
              isDisabled={chosen === undefined}
              onClick={() => chosen !== undefined && change(chosen, addMember, 'added')}
            >
              {words.add}
            </Button>
          </div>
        ) : (
          <p>{words.directoryFillsGroupAtEach}</p>
        )}
        <DataTable
          label={words.list}
          columns={COLUMNS}
          rows={inside}
          isLoading={members.isPending}
          empty={words.nobody}
          actions={(user) =>
            isByHand && (
              <Button
                variant="link"
                size="sm"
                isInline
                aria-label={words.takeOut(user.name)}
                onClick={() => change(user, removeMember, words.takenOut)}
              >
                {words.takeOutLabel}
              </Button>
            )
          }
        />
      </ModalBody>
      <ModalFooter>
        <Button onClick={onClose}>{common.close}</Button>
      </ModalFooter>
    </Modal>
  );
}
