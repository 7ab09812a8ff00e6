/** What the bar over a session offers, as a list: each is a button or a menu there, and a line with its name in "All tools". */
import { CameraIcon } from '@patternfly/react-icons/dist/esm/icons/camera-icon';
import { CompressIcon } from '@patternfly/react-icons/dist/esm/icons/compress-icon';
import { EllipsisHIcon } from '@patternfly/react-icons/dist/esm/icons/ellipsis-h-icon';
import { ExpandArrowsAltIcon } from '@patternfly/react-icons/dist/esm/icons/expand-arrows-alt-icon';
import { ExpandIcon } from '@patternfly/react-icons/dist/esm/icons/expand-icon';
import { EyeIcon } from '@patternfly/react-icons/dist/esm/icons/eye-icon';
import { HandPaperIcon } from '@patternfly/react-icons/dist/esm/icons/hand-paper-icon';
import { KeyboardIcon } from '@patternfly/react-icons/dist/esm/icons/keyboard-icon';
import { LanguageIcon } from '@patternfly/react-icons/dist/esm/icons/language-icon';
import { PasteIcon } from '@patternfly/react-icons/dist/esm/icons/paste-icon';
import { TachometerAltIcon } from '@patternfly/react-icons/dist/esm/icons/tachometer-alt-icon';
import { TerminalIcon } from '@patternfly/react-icons/dist/esm/icons/terminal-icon';
import { UsersIcon } from '@patternfly/react-icons/dist/esm/icons/users-icon';
import type { ReactNode } from 'react';
import type { Desktop } from '../../../../api/desktop.ts';
import { text } from '../../text/text.ts';
import type { PanelName } from '../panel/panel.tsx';
import { FITS, type FitChoice } from '../screen/fit.ts';
import { KEYBOARDS, type KeyboardChoice } from '../screen/guest-keyboard.ts';
import { COMBINATIONS, type Combination, CTRL_ALT_DEL, HARSH, nameOf } from '../screen/keys.ts';
import { QUALITIES, type QualityChoice } from '../screen/quality.ts';
import type { UsedDisplay } from '../screen/use-display.ts';
import type { BarMenuItem } from './bar-menu.tsx';

const words = text.session.bar;

export interface ToolsProps {
  readonly desktop: Desktop | undefined;
  readonly used: UsedDisplay;
  readonly fit: FitChoice;
  readonly onFit: (fit: FitChoice) => void;
  readonly quality: QualityChoice;
  readonly onQuality: (quality: QualityChoice) => void;
  readonly keyboard: KeyboardChoice;
  readonly onKeyboard: (keyboard: KeyboardChoice) => void;
  readonly isViewOnly: boolean;
  /** Absent where the server lets this page only look. */
  readonly onViewOnly: ((isOn: boolean) => void) | undefined;
  readonly isDragging: boolean;
  readonly onDragging: (isOn: boolean) => void;
  readonly panel: PanelName | undefined;
  readonly onPanel: (panel: PanelName | undefined) => void;
  /** How many besides this page are on the desktop. */
  readonly others: number;
  readonly hasClipboard: boolean;
  readonly isSerialOpen: boolean;
  readonly onSerial: (isOpen: boolean) => void;
  readonly areKeysOpen: boolean;
  readonly onKeys: (areOpen: boolean) => void;
  readonly isFullScreen: boolean;
  /** Absent where the browser has none: the bar is put away then. */
  readonly onFullScreen: (() => void) | undefined;
  readonly onPicture: () => void;
}

interface ToolFacts {
  readonly key: string;
  readonly label: string;
  readonly icon?: ReactNode;
  /** Shown beside the icon on wide windows. */
  readonly hasWord?: boolean;
  readonly isDisabled?: boolean;
  readonly isLeadOut?: boolean;
}

export type Tool =
  | (ToolFacts & {
      readonly kind: 'button';
      readonly isPressed?: boolean;
      readonly count?: number;
      /** `isMeant`: by a click on the button itself. A key may have been meant for the desktop. */
      readonly onUse: (isMeant: boolean) => void;
    })
  | (ToolFacts & { readonly kind: 'menu'; readonly icon: ReactNode; readonly items: readonly BarMenuItem[] });

/** `press` sends keys, `ask` asks first. */
export function toolsOf(
  props: ToolsProps,
  press: (keys: Combination) => void,
  ask: (keys: Combination) => void,
): readonly Tool[] {
  return [...keyTools(props, press, ask), ...viewTools(props), ...sideTools(props)];
}

/** What is pressed on the desktop. */
function keyTools(
  { used, isViewOnly }: ToolsProps,
  press: (keys: Combination) => void,
  ask: (keys: Combination) => void,
): readonly Tool[] {
  const cannotType = isViewOnly || used.link.kind !== 'connected';
  const items = COMBINATIONS.map((keys) => ({
    key: nameOf(keys),
    label: nameOf(keys),
    isDanger: HARSH.includes(keys),
    onSelect: () => (HARSH.includes(keys) ? ask(keys) : press(keys)),
  }));
  return [
    {
      kind: 'button',
      key: 'ctrl-alt-del',
      label: nameOf(CTRL_ALT_DEL),
      isDisabled: cannotType,
      onUse: (isMeant) => (isMeant ? press(CTRL_ALT_DEL) : ask(CTRL_ALT_DEL)),
    },
    {
      kind: 'menu',
      key: 'keys',
      label: words.specialKeys,
      icon: <EllipsisHIcon />,
      items: cannotType ? [] : items,
      isLeadOut: true,
    },
  ];
}

/** How the screen is shown here. */
function viewTools(props: ToolsProps): readonly Tool[] {
  const { used, isFullScreen, isDragging, onDragging, onFullScreen } = props;
  const moveView: Tool = {
    kind: 'button',
    key: 'move',
    label: words.moveView,
    icon: <HandPaperIcon />,
    isPressed: isDragging,
    onUse: () => onDragging(!isDragging),
  };
  return [
    {
      kind: 'menu',
      key: 'fit',
      label: words.fit,
      icon: <ExpandArrowsAltIcon />,
      hasWord: true,
      items: choices(FITS, text.session.fits, props.fit, props.onFit),
    },
    {
      kind: 'button',
      key: 'full-screen',
      label: words.fullScreen,
      icon: isFullScreen ? <CompressIcon /> : <ExpandIcon />,
      isPressed: isFullScreen,
      hasWord: true,
      onUse: () => onFullScreen?.(),
    },
    ...(used.isClipped ? [moveView] : []),
  ];
}

/** What is beside the screen. */
function sideTools(props: ToolsProps): readonly Tool[] {
  const { desktop, panel, onPanel, isViewOnly, onViewOnly, isSerialOpen, areKeysOpen } = props;
  const clipboard: Tool = {
    kind: 'button',
    key: 'clipboard',
    label: words.clipboard,
    icon: <PasteIcon />,
    isPressed: panel === 'clipboard',
    onUse: () => onPanel(panel === 'clipboard' ? undefined : 'clipboard'),
  };
  const serial: Tool = {
    kind: 'button',
    key: 'serial',
    label: words.serial,
    icon: <TerminalIcon />,
    isPressed: isSerialOpen,
    hasWord: true,
    onUse: () => props.onSerial(!isSerialOpen),
  };
  const layout: Tool = {
    kind: 'menu',
    key: 'layout',
    label: words.keyboard,
    icon: <LanguageIcon />,
    items: choices(KEYBOARDS, text.session.keyboards, props.keyboard, props.onKeyboard),
  };
  const onlyLook: Tool = {
    kind: 'button',
    key: 'look',
    label: words.onlyLook,
    icon: <EyeIcon />,
    isPressed: isViewOnly,
    onUse: () => onViewOnly?.(!isViewOnly),
  };
  return [
    ...(props.hasClipboard ? [clipboard] : []),
    ...((desktop?.views.includes('serial') ?? false) ? [serial] : []),
    {
      kind: 'button',
      key: 'on-screen-keys',
      label: words.onScreenKeys,
      icon: <KeyboardIcon />,
      isDisabled: isViewOnly,
      isPressed: areKeysOpen,
      onUse: () => props.onKeys(!areKeysOpen),
    },
    ...(props.used.hasScancodes ? [layout] : []),
    { kind: 'button', key: 'picture', label: words.screenshot, icon: <CameraIcon />, onUse: props.onPicture },
    {
      kind: 'menu',
      key: 'quality',
      label: words.quality,
      icon: <TachometerAltIcon />,
      items: choices(QUALITIES, text.session.qualities, props.quality, props.onQuality),
    },
    {
      kind: 'button',
      key: 'people',
      label: words.people,
      icon: <UsersIcon />,
      count: props.others,
      isPressed: panel === 'people',
      onUse: () => onPanel(panel === 'people' ? undefined : 'people'),
    },
    ...(onViewOnly === undefined ? [] : [onlyLook]),
  ];
}

/** A menu of which one is in use. */
function choices<T extends string>(
  all: readonly T[],
  named: Readonly<Record<T, { readonly label: string; readonly description?: string }>>,
  chosen: T,
  onChoose: (choice: T) => void,
): readonly BarMenuItem[] {
  return all.map((choice) => ({
    key: choice,
    ...named[choice],
    isChosen: choice === chosen,
    onSelect: () => onChoose(choice),
  }));
}
