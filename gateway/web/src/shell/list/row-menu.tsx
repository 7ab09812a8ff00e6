/** What can be done with one row. */
import { Dropdown, DropdownItem, DropdownList, MenuToggle, type MenuToggleElement } from '@patternfly/react-core';
import { EllipsisVIcon } from '@patternfly/react-icons/dist/esm/icons/ellipsis-v-icon';
import { type Ref, useState } from 'react';
import { text } from '../../text/text.ts';

const words = text.shell.list.rowMenu;

export interface RowAction {
  readonly key: string;
  readonly label: string;
  readonly isDanger?: boolean;
  readonly isDisabled?: boolean;
  readonly onSelect: () => void;
}

/** Outside the table, which may scroll sideways, but in the page's landmark. */
const inMain = (): HTMLElement => document.querySelector('main') ?? document.body;

interface RowMenuProps {
  /** What the row is about, for the accessible name. */
  readonly name: string;
  readonly actions: readonly RowAction[];
}

export function RowMenu({ name, actions }: RowMenuProps) {
  const [isOpen, setOpen] = useState(false);
  if (actions.length === 0) return null;
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      shouldFocusToggleOnSelect
      popperProps={{ position: 'right', appendTo: inMain }}
      toggle={(ref: Ref<MenuToggleElement>) => (
        <MenuToggle
          ref={ref}
          variant="plain"
          aria-label={words.actions(name)}
          isExpanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          icon={<EllipsisVIcon />}
        />
      )}
    >
      <DropdownList>
        {actions.map(({ key, label, isDanger = false, isDisabled = false, onSelect }) => (
          <DropdownItem key={key} isDanger={isDanger} isDisabled={isDisabled} onClick={onSelect}>
            {label}
          </DropdownItem>
        ))}
      </DropdownList>
    </Dropdown>
  );
}
