/** Accounts. */
import { Button, Label, SearchInput } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { listUsers, type User } from '../../../../api/people.ts';
import { apiPages } from '../../api/query.ts';
import { serverNow } from '../../api/server-clock.ts';
import type { Column } from '../../shell/list/data-table.tsx';
import { PagedTable } from '../../shell/list/paged-table.tsx';
import { text } from '../../text/text.ts';
import { UserCreateDialog } from './user-create-dialog.tsx';
import { UserMenu } from './user-menu.tsx';

const words = text.console.people.usersTab;
const { common } = text;

const COLUMNS: readonly Column<User>[] = [
  {
    key: 'name',
    label: common.name,
    isLong: true,
    cell: ({ name, displayName }) => (
      <>
        {name}
        {displayName !== name && <div className="oriel-subtle">{displayName}</div>}
      </>
    ),
  },
  { key: 'roles', label: words.roles, cell: ({ roles }) => roles.join(', ') || '–' },
  { key: 'groups', label: common.groups, cell: ({ groups }) => groups.map(({ name }) => name).join(', ') || '–' },
  { key: 'source', label: common.from, cell: ({ source }) => source },
  { key: 'factor', label: words.secondFactor, cell: secondFactor },
  { key: 'state', label: common.state, cell: (user) => <UserState user={user} /> },
];

export function UsersTab() {
  const [search, setSearch] = useState('');
  const [isCreating, setCreating] = useState(false);
  const query = useInfiniteQuery(apiPages(listUsers, { query: search === '' ? {} : { search } }));
  return (
    <>
      <div className="oriel-list__filters">
        <SearchInput
          aria-label={words.searchUsers}
          placeholder={common.name}
          value={search}
          onChange={(_, value) => setSearch(value)}
          onClear={() => setSearch('')}
        />
        <Button onClick={() => setCreating(true)}>{words.newUser}</Button>
      </div>
      <PagedTable
        query={query}
        label={words.users}
        columns={COLUMNS}
        empty={words.noSuchUser}
        actions={(user) => <UserMenu user={user} />}
      />
      {isCreating && <UserCreateDialog onClose={() => setCreating(false)} />}
    </>
  );
}

function secondFactor({ hasTotp, passkeys }: User): string {
  const parts = [
    ...(hasTotp ? ['codes'] : []),
    ...(0 < passkeys ? [`${passkeys} passkey${passkeys === 1 ? '' : 's'}`] : []),
  ];
  return parts.join(', ') || '–';
}

function UserState({ user }: { readonly user: User }) {
  const isLocked = user.lockedUntil !== null && serverNow() < Date.parse(user.lockedUntil);
  const [word, color] = user.isDisabled
    ? ([words.disabled, 'red'] as const)
    : isLocked
      ? ([words.lockedOut, 'orange'] as const)
      : ([words.active, 'green'] as const);
  return (
    <Label isCompact color={color}>
      {word}
    </Label>
  );
}
