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
import { text } from '../../text/text.ts';
import { RolesDialog } from './roles-dialog.tsx';

const words = text.console.people.userMenu;
const { common } = text;

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
    client.call(linkUser, { params }).then(setLink, (error: unknown) => notices.failed(words.noLinkWasMade, error));

  return (
    <>
      <RowMenu
        name={user.name}
        actions={[
          {
            key: 'link',
            label: words.makeSignLink,
            isDisabled: user.source !== 'local',
            onSelect: () => void makeLink(),
          },
          { key: 'roles', label: words.roles, onSelect: () => setAsk('roles') },
          {
            key: 'unlock',
            label: words.forgetFailedSignIns,
            isDisabled: user.lockedUntil === null,
            onSelect: () => void act(`${user.name}: unlocked`, () => client.call(unlockUser, { params })),
          },
          { key: 'factor', label: words.takeSecondFactorsAway, isDanger: true, onSelect: () => setAsk('factor') },
          {
            key: 'disable',
            label: user.isDisabled ? words.enable : words.disable,
            onSelect: () => void setDisabled(!user.isDisabled),
          },
          { key: 'delete', label: common.delete, isDanger: true, onSelect: () => setAsk('delete') },
        ]}
      />
      {ask === 'roles' && <RolesDialog user={user} onClose={close} />}
      {ask === 'factor' && (
        <FormDialog
          title={words.askTakeSecondFactorsAway(user.name)}
          submitLabel={words.takeThemAway}
          isDanger
          onSubmit={() => client.call(resetSecondFactor, { params }).then(() => refetch(['user.']))}
          onClose={close}
        >
          <p>{words.oneTimeCodesRecoveryCodes}</p>
        </FormDialog>
      )}
      {ask === 'delete' && (
        <FormDialog
          title={words.askDelete(user.name)}
          submitLabel="Delete"
          isDanger
          onSubmit={() => client.call(deleteUser, { params }).then(() => refetch(['user.', 'group.', 'assignment.']))}
          onClose={close}
        >
          <p>{words.tokensSignInsAssignmentsGo}</p>
        </FormDialog>
      )}
      {link !== undefined && (
        <FormDialog
          title={words.signLink(user.name)}
          submitLabel={common.done}
          onSubmit={() => Promise.resolve()}
          onClose={() => setLink(undefined)}
        >
          <p>{words.worksOnceUntilNotShown(formatTime(link.expiresAt))}</p>
          <ClipboardCopy isReadOnly textAriaLabel={words.linkLabel} hoverTip={common.copy} clickTip={common.copied}>
            {link.url}
          </ClipboardCopy>
        </FormDialog>
      )}
    </>
  );
}
