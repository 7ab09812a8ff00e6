/** A button of the session's bar: icon, and a word where there is room. The accessible name is always the word. */
import { Button, Tooltip } from '@patternfly/react-core';
import type { MouseEvent, ReactNode } from 'react';
import { inHeader } from '../../shell/frame/in-header.ts';
import { LEAD_OUT } from '../screen/lead-out.ts';

/** Under a finger a tooltip would only stay in the way. */
const TRIGGER = window.matchMedia('(hover: hover)').matches ? 'mouseenter focus' : 'manual';

interface BarButtonProps {
  readonly label: string;
  readonly icon?: ReactNode;
  readonly onClick: (event: MouseEvent) => void;
  readonly isPressed?: boolean;
  readonly isDisabled?: boolean;
  /** Shown beside the icon on wide windows. */
  readonly hasWord?: boolean;
  /** Shown as a badge when it is not zero. */
  readonly count?: number;
  readonly className?: string;
  /** Where the keys that lead out of the screen go: pressed by mistake, it does no harm. */
  readonly isLeadOut?: boolean;
}

export function BarButton({
  label,
  icon,
  onClick,
  isPressed,
  isDisabled = false,
  hasWord = false,
  count = 0,
  className = '',
  isLeadOut = false,
}: BarButtonProps) {
  return (
    <Tooltip content={label} position="bottom" entryDelay={500} trigger={TRIGGER} appendTo={inHeader}>
      <Button
        variant="plain"
        className={`oriel-bar__button ${isPressed === true ? 'oriel-bar__button--on' : ''} ${className}`}
        aria-label={label}
        {...(isLeadOut ? LEAD_OUT : {})}
        {...(isPressed === undefined ? {} : { 'aria-pressed': isPressed })}
        isAriaDisabled={isDisabled}
        onClick={onClick}
      >
        {icon}
        {0 < count && <span className="oriel-bar__count">{count}</span>}
        {(hasWord || icon === undefined) && (
          <span className={icon === undefined ? '' : 'oriel-bar__word'}>{label}</span>
        )}
      </Button>
    </Tooltip>
  );
}
