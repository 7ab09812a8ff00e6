/** A menu of the session's bar. */
import { Dropdown, DropdownItem, DropdownList, MenuToggle, type MenuToggleElement } from '@patternfly/react-core';
import { CheckIcon } from '@patternfly/react-icons/dist/esm/icons/check-icon';
import { type ReactNode, type Ref, useEffect, useRef } from 'react';
import { inHeader } from '../../shell/frame/in-header.ts';
import { text } from '../../text/text.ts';
import { LEAD_OUT } from '../screen/lead-out.ts';

export interface BarMenuItem {
  readonly key: string;
  readonly label: string;
  readonly icon?: ReactNode;
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
  readonly isLeadOut?: boolean;
  readonly isOpen: boolean;
  readonly onOpen: (isOpen: boolean) => void;
}

/** The menu fades in at its place; before that nothing in it can have the focus. */
const POPPED_MS = 50;

export function BarMenu({ label, icon, items, hasWord = false, isLeadOut = false, isOpen, onOpen }: BarMenuProps) {
  const toggle = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLUListElement>(null);
  useEffect(() => {
    // Opened from elsewhere, the keyboard is not here yet.
    if (!isOpen || document.activeElement === toggle.current) return undefined;
    const timer = setTimeout(() => list.current?.querySelector<HTMLElement>('[role="menuitem"]')?.focus(), POPPED_MS);
    return () => clearTimeout(timer);
  }, [isOpen]);
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={onOpen}
      onSelect={() => onOpen(false)}
      isScrollable
      maxMenuHeight="70vh"
      shouldFocusToggleOnSelect
      popperProps={{ position: 'left', preventOverflow: true, appendTo: () => inHeader() }}
      toggle={(ref: Ref<MenuToggleElement>) => (
        <MenuToggle
          ref={(element: MenuToggleElement | null) => {
            toggle.current = element as HTMLButtonElement | null;
            if (typeof ref === 'function') ref(element);
            else if (ref !== null) ref.current = element;
          }}
          variant="plain"
          aria-label={label}
          {...(isLeadOut ? LEAD_OUT : {})}
          title={label}
          className="oriel-bar__button"
          isDisabled={items.length === 0 && !isLeadOut}
          isExpanded={isOpen}
          onClick={() => onOpen(!isOpen)}
        >
          {icon}
          {hasWord && <span className="oriel-bar__word">{label}</span>}
        </MenuToggle>
      )}
    >
      <DropdownList aria-label={label} ref={list}>
        {items.map(
          ({ key, label: name, icon: sign, description, isChosen, isDanger = false, isDisabled = false, onSelect }) => (
            <DropdownItem
              key={key}
              onClick={onSelect}
              isDanger={isDanger}
              isDisabled={isDisabled}
              {...(description === undefined ? {} : { description })}
              {...(sign === undefined ? {} : { icon: sign })}
              {...(isChosen === undefined
                ? {}
                : { icon: isChosen ? <CheckIcon /> : <span className="oriel-bar__gap" /> })}
            >
              {name}
              {isChosen === true && <span className="pf-v6-screen-reader">{text.session.bar.chosen}</span>}
            </DropdownItem>
          ),
        )}
      </DropdownList>
    </Dropdown>
  );
}
