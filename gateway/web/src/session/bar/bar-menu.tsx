/** A menu of the session's bar. */
import { Dropdown, DropdownItem, DropdownList, MenuToggle, type MenuToggleElement } from '@patternfly/react-core';
import { CheckIcon } from '@patternfly/react-icons/dist/esm/icons/check-icon';
import { type ReactNode, type Ref, useState } from 'react';
import { inHeader } from '../../shell/frame/in-header.ts';
import { text } from '../../text/text.ts';
import { LEAD_OUT } from '../screen/lead-out.ts';

export interface BarMenuItem {
  readonly key: string;
  readonly label: string;
  readonly description?: string;
  /** Present on menus of choices: whether this one is in use. */
  readonly isChosen?: boolean;
  readonly isDanger?: boolean;
  readonly isDisabled?: boolean;
  readonly onSelect: () => void;
}

interface BarMenuProps {
  readonly label: string;
  readonly icon: ReactNode;
  readonly items: readonly BarMenuItem[];
  readonly hasWord?: boolean;
  readonly className?: string;
  readonly isLeadOut?: boolean;
}

export function BarMenu({ label, icon, items, hasWord = false, className = '', isLeadOut = false }: BarMenuProps) {
  const [isOpen, setOpen] = useState(false);
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      isScrollable
      shouldFocusToggleOnSelect
      popperProps={{ position: 'left', preventOverflow: true, appendTo: () => inHeader() }}
      toggle={(ref: Ref<MenuToggleElement>) => (
        <MenuToggle
          ref={ref}
          variant="plain"
          aria-label={label}
          {...(isLeadOut ? LEAD_OUT : {})}
          title={label}
          className={`oriel-bar__button ${className}`}
          isDisabled={items.length === 0 && !isLeadOut}
          isExpanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {icon}
          {hasWord && <span className="oriel-bar__word">{label}</span>}
        </MenuToggle>
      )}
    >
      <DropdownList aria-label={label}>
        {items.map(({ key, label: name, description, isChosen, isDanger = false, isDisabled = false, onSelect }) => (
          <DropdownItem
            key={key}
            onClick={onSelect}
            isDanger={isDanger}
            isDisabled={isDisabled}
            {...(description === undefined ? {} : { description })}
            {...(isChosen === undefined
              ? {}
              : { icon: isChosen ? <CheckIcon /> : <span className="oriel-bar__gap" /> })}
          >
            {name}
            {isChosen === true && <span className="pf-v6-screen-reader">{text.session.bar.chosen}</span>}
          </DropdownItem>
        ))}
      </DropdownList>
    </Dropdown>
  );
}
