/** What an admin does with an account. */
import { ClipboardCopy } from '@patternfly/react-core';
import { useState } from 'react';
import { deleteUser, editUser, linkUser, resetSecondFactor, type User, unlockUser } from '../../../../api/people.ts';
import { client } from '../../api/client.ts';
import { FormDialog } from '../../shell/form/form-dialog.tsx';
import { refetch, useAction } from '../../shell/form/use-action.ts';
import { formatTime } from '../../shell/format.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { RowMenu } from '../../shell/list/row-menu.tsx';
import { RolesDialog } from './roles-dialog.tsx';

type Ask = 'roles' | 'delete' | 'factor' | undefined;

export function UserMenu({ user }: { readonly user: User }) {
  const [ask, setAsk] = useState<Ask>();
  const [link, setLink] = useState<{ readonly url: string; readonly expiresAt: string }>();
  const act = useAction('user.');
  const notices = useNotices();
  const params = { userId: user.id };
  const close = () => setAsk(undefined);
  const setDisabled = (isDisabled: boolean) =>
    act(`${user.name}: ${isDisabled ? 'disabled' : 'enabled'}`, () =>
      client.call(editUser, { params, body: { isDisabled } }),
    );
  const makeLink = () =>
    client.call(linkUser, { params }).then(setLink, (error: unknown) => notices.failed('No link was made', error));

  return (
    <>
      <RowMenu
        name={user.name}
        actions={[
          {
            key: 'link',
            label: 'Make a sign-in link',
            isDisabled: user.source !== 'local',
            onSelect: () => void makeLink(),
          },
          { key: 'roles', label: 'Roles…', onSelect: () => setAsk('roles') },
          {
            key: 'unlock',
            label: 'Forget failed sign-ins',
            isDisabled: user.lockedUntil === null,
            onSelect: () => void act(`${user.name}: unlocked`, () => client.call(unlockUser, { params })),
          },
          { key: 'factor', label: 'Take second factors away…', isDanger: true, onSelect: () => setAsk('factor') },
          {
            key: 'disable',
            label: user.isDisabled ? 'Enable' : 'Disable',
            onSelect: () => void setDisabled(!user.isDisabled),
          },
          { key: 'delete', label: 'Delete…', isDanger: true, onSelect: () => setAsk('delete') },
        ]}
      />
      {ask === 'roles' && <RolesDialog user={user} onClose={close} />}
      {ask === 'factor' && (
        <FormDialog
          title={`Take the second factors of ${user.name} away?`}
          submitLabel="Take them away"
          isDanger
          onSubmit={() => client.call(resetSecondFactor, { params }).then(() => refetch(['user.']))}
          onClose={close}
        >
          <p>One-time codes, recovery codes and passkeys go, and every sign-in ends.</p>
        </FormDialog>
      )}
      {ask === 'delete' && (
        <FormDialog
          title={`Delete ${user.name}?`}
          submitLabel="Delete"
          isDanger
          onSubmit={() => client.call(deleteUser, { params }).then(() => refetch(['user.', 'group.', 'assignment.']))}
          onClose={close}
        >
          <p>Tokens, sign-ins and assignments go with the account. Live sessions end within a second.</p>
        </FormDialog>
      )}
      {link !== undefined && (
        <FormDialog
          title={`Sign-in link for ${user.name}`}
          submitLabel="Done"
          onSubmit={() => Promise.resolve()}
          onClose={() => setLink(undefined)}
        >
          <p>It works once, until {formatTime(link.expiresAt)}. It is not shown again.</p>
          <ClipboardCopy isReadOnly textAriaLabel="Sign-in link" hoverTip="Copy" clickTip="Copied">
            {link.url}
          </ClipboardCopy>
        </FormDialog>
      )}
    </>
  );
}
