/** Who is signed in, the way to the account, and out. */
import {
  Divider,
  Dropdown,
  DropdownItem,
  DropdownList,
  MenuToggle,
  type MenuToggleElement,
} from '@patternfly/react-core';
import { UserCircleIcon } from '@patternfly/react-icons/dist/esm/icons/user-circle-icon';
import { type Ref, useState } from 'react';
import { useNavigate } from 'react-router';
import { type Me, signOut } from '../../../../api/auth.ts';
import { client, ME_KEY } from '../../api/client.ts';
import { queryClient } from '../../api/query-client.ts';
import { text } from '../../text/text.ts';
import { useNotices } from './notices.tsx';

const words = text.shell.frame.userMenu;

export function UserMenu({ me }: { readonly me: Me }) {
  const [isOpen, setOpen] = useState(false);
  const navigate = useNavigate();
  const notices = useNotices();
  const leave = async () => {
    try {
      await client.call(signOut, {});
      queryClient.clear();
      queryClient.setQueryData(ME_KEY, null);
      await navigate('/sign-in');
    } catch (error) {
      notices.failed(words.couldNotSignOut, error);
    }
  };
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: 'right' }}
      toggle={(ref: Ref<MenuToggleElement>) => (
        <MenuToggle
          ref={ref}
          variant="plainText"
          isExpanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          icon={<UserCircleIcon />}
          aria-label={words.account(me.displayName)}
        >
          <span className="oriel-user__name">{me.displayName}</span>
        </MenuToggle>
      )}
    >
      <DropdownList>
        <DropdownItem key="account" onClick={() => void navigate('/account')} description={me.name}>
          {words.myAccount}
        </DropdownItem>
        <Divider component="li" key="line" />
        <DropdownItem key="out" onClick={() => void leave()}>
          {words.signOut}
        </DropdownItem>
      </DropdownList>
    </Dropdown>
  );
}
