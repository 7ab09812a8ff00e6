/** The bar over a session: everything that one does to a screen from outside. It can be put away. */
import { Label } from '@patternfly/react-core';
import { AngleDownIcon } from '@patternfly/react-icons/dist/esm/icons/angle-down-icon';
import { AngleUpIcon } from '@patternfly/react-icons/dist/esm/icons/angle-up-icon';
import { ArrowLeftIcon } from '@patternfly/react-icons/dist/esm/icons/arrow-left-icon';
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
import { type KeyboardEvent, useState } from 'react';
import { Link } from 'react-router';
import type { Desktop } from '../../../../api/desktop.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import type { PanelName } from '../panel/panel.tsx';
import { FITS, type FitChoice } from '../screen/fit.ts';
import { KEYBOARDS, type KeyboardChoice } from '../screen/guest-keyboard.ts';
import { COMBINATIONS, type Combination, CTRL_ALT_DEL, HARSH, nameOf } from '../screen/keys.ts';
import type { QualityChoice } from '../screen/quality.ts';
import type { UsedDisplay } from '../screen/use-display.ts';
import { BarButton } from './bar-button.tsx';
import { BarMenu, type BarMenuItem } from './bar-menu.tsx';
import { HarshKeys } from './harsh-keys.tsx';
import { LinkFigures } from './link-figures.tsx';
import { PowerMenu } from './power-menu.tsx';
import './bar.css';
import { text } from '../../text/text.ts';

const words = text.session.bar;

interface SessionBarProps {
  readonly name: string;
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

export function SessionBar(props: SessionBarProps) {
  const [isAway, setAway] = useState(false);
  const notices = useNotices();
  const fill = () => {
    setAway(true);
    notices.tell(text.session.page.noFullScreen, text.session.page.noFullScreenWhy);
  };
  if (isAway) {
    return (
      <div className="oriel-bar oriel-bar--away">
        <BarButton label={words.show} icon={<AngleDownIcon />} isLeadOut onClick={() => setAway(false)} />
      </div>
    );
  }
  return (
    <header className="oriel-bar">
      <div className="oriel-bar__lead">
        <Link to="/desktops" className="oriel-bar__back" aria-label={words.allDesktops}>
          <ArrowLeftIcon />
        </Link>
        <h1 className="oriel-bar__name">{props.name}</h1>
        {props.isViewOnly && (
          <Label color="orange" isCompact icon={<EyeIcon />}>
            {words.viewOnly}
          </Label>
        )}
      </div>
      <div role="toolbar" aria-label={words.name} className="oriel-bar__tools" onKeyDown={moveFocus}>
        <Tools {...props} onFullScreen={props.onFullScreen ?? fill} />
      </div>
      <LinkFigures used={props.used} />
      <BarButton label={words.hide} icon={<AngleUpIcon />} onClick={() => setAway(true)} />
    </header>
  );
}

function Tools(props: SessionBarProps) {
  return (
    <>
      <KeyTools {...props} />
      <ViewTools {...props} />
      <SideTools {...props} />
    </>
  );
}

/** What is pressed on the desktop. */
function KeyTools({ used, isViewOnly }: SessionBarProps) {
  const { display } = used;
  const [asked, setAsked] = useState<Combination>();
  const cannotType = isViewOnly || used.link.kind !== 'connected';
  const send = (keys: Combination) => {
    display?.keyboard.press(keys);
    display?.focus();
  };
  const items: BarMenuItem[] = COMBINATIONS.map((keys) => ({
    key: nameOf(keys),
    label: nameOf(keys),
    isDanger: HARSH.includes(keys),
    onSelect: () => (HARSH.includes(keys) ? setAsked(keys) : send(keys)),
  }));
  return (
    <>
      <BarButton
        label={nameOf(CTRL_ALT_DEL)}
        isDisabled={cannotType}
        // A click is meant. A key may have been meant for the desktop.
        onClick={(event) => (event.detail === 0 ? setAsked(CTRL_ALT_DEL) : send(CTRL_ALT_DEL))}
      />
      <BarMenu label={words.specialKeys} icon={<EllipsisHIcon />} items={cannotType ? [] : items} isLeadOut />
      <HarshKeys
        keys={asked}
        onAnswer={(isWanted) => {
          setAsked(undefined);
          if (asked !== undefined && isWanted) display?.keyboard.press(asked);
          setTimeout(() => display?.focus()); // The dialog gives the focus back to where it came from first.
        }}
      />
    </>
  );
}

/** How the screen is shown here. */
function ViewTools(props: SessionBarProps) {
  const { used } = props;
  return (
    <>
      <BarMenu label={words.fit} icon={<ExpandArrowsAltIcon />} hasWord items={fitItems(props)} />
      <BarButton
        label={words.fullScreen}
        icon={props.isFullScreen ? <CompressIcon /> : <ExpandIcon />}
        isPressed={props.isFullScreen}
        hasWord
        onClick={() => props.onFullScreen?.()}
      />
      {used.isClipped && (
        <BarButton
          label={words.moveView}
          icon={<HandPaperIcon />}
          isPressed={props.isDragging}
          onClick={() => props.onDragging(!props.isDragging)}
        />
      )}
    </>
  );
}

/** What is beside the screen. */
function SideTools(props: SessionBarProps) {
  const { desktop, panel, onPanel } = props;
  return (
    <>
      {props.hasClipboard && (
        <BarButton
          label={words.clipboard}
          icon={<PasteIcon />}
          isPressed={panel === 'clipboard'}
          onClick={() => onPanel(panel === 'clipboard' ? undefined : 'clipboard')}
        />
      )}
      {(desktop?.views.includes('serial') ?? false) && (
        <BarButton
          label={words.serial}
          icon={<TerminalIcon />}
          isPressed={props.isSerialOpen}
          hasWord
          onClick={() => props.onSerial(!props.isSerialOpen)}
        />
      )}
      <BarButton
        label={words.onScreenKeys}
        icon={<KeyboardIcon />}
        isDisabled={props.isViewOnly}
        isPressed={props.areKeysOpen}
        onClick={() => props.onKeys(!props.areKeysOpen)}
      />
      {props.used.hasScancodes && <BarMenu label={words.keyboard} icon={<LanguageIcon />} items={layoutItems(props)} />}
      <BarButton label={words.screenshot} icon={<CameraIcon />} onClick={props.onPicture} />
      <BarMenu label={words.quality} icon={<TachometerAltIcon />} items={qualityItems(props)} />
      <BarButton
        label={words.people}
        icon={<UsersIcon />}
        count={props.others}
        isPressed={panel === 'people'}
        onClick={() => onPanel(panel === 'people' ? undefined : 'people')}
      />
      {props.onViewOnly !== undefined && (
        <BarButton
          label={words.onlyLook}
          icon={<EyeIcon />}
          isPressed={props.isViewOnly}
          onClick={() => props.onViewOnly?.(!props.isViewOnly)}
        />
      )}
      {desktop !== undefined && desktop.rights.includes('power') && <PowerMenu desktop={desktop} />}
    </>
  );
}

function layoutItems({ keyboard, onKeyboard }: SessionBarProps): readonly BarMenuItem[] {
  return KEYBOARDS.map((choice) => ({
    key: choice,
    ...text.session.keyboards[choice],
    isChosen: choice === keyboard,
    onSelect: () => onKeyboard(choice),
  }));
}

function fitItems({ fit, onFit }: SessionBarProps): readonly BarMenuItem[] {
  return FITS.map((choice) => ({
    key: choice,
    ...text.session.fits[choice],
    isChosen: choice === fit,
    onSelect: () => onFit(choice),
  }));
}

const QUALITIES: readonly QualityChoice[] = ['auto', 'sharp', 'balanced', 'fast'];

function qualityItems({ quality, onQuality }: SessionBarProps): readonly BarMenuItem[] {
  return QUALITIES.map((choice) => ({
    key: choice,
    ...text.session.qualities[choice],
    isChosen: choice === quality,
    onSelect: () => onQuality(choice),
  }));
}

/** Arrow keys move along the bar, as in every toolbar (ARIA Authoring Practices, "Toolbar"). */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
  if (step === 0) return;
  const buttons = [...event.currentTarget.querySelectorAll<HTMLElement>('button')];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  if (at < 0) return;
  buttons[(at + step + buttons.length) % buttons.length]?.focus();
  event.preventDefault();
}
