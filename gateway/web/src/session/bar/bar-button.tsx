/** A button of the session's bar: icon, and a word where there is room. The accessible name is always the word. */
import { Button, Tooltip } from '@patternfly/react-core';
import type { ReactNode } from 'react';
import { inHeader } from '../../shell/frame/in-header.ts';

/** Under a finger a tooltip would only stay in the way. */
const TRIGGER = window.matchMedia('(hover: hover)').matches ? 'mouseenter focus' : 'manual';

interface BarButtonProps {
  readonly label: string;
  readonly icon?: ReactNode;
  readonly onClick: () => void;
  readonly isPressed?: boolean;
  readonly isDisabled?: boolean;
  /** Shown beside the icon on wide windows. */
  readonly hasWord?: boolean;
  /** Shown as a badge when it is not zero. */
  readonly count?: number;
  readonly className?: string;
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
}: BarButtonProps) {
  return (
    <Tooltip content={label} position="bottom" entryDelay={500} trigger={TRIGGER} appendTo={inHeader}>
      <Button
        variant="plain"
        className={`oriel-bar__button ${isPressed === true ? 'oriel-bar__button--on' : ''} ${className}`}
        aria-label={label}
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
