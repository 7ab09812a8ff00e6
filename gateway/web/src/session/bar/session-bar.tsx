/** The bar over a session: everything that one does to a screen from outside. It can be put away. */
import { Label } from '@patternfly/react-core';
import { AngleDownIcon } from '@patternfly/react-icons/dist/esm/icons/angle-down-icon';
import { AngleUpIcon } from '@patternfly/react-icons/dist/esm/icons/angle-up-icon';
import { ArrowLeftIcon } from '@patternfly/react-icons/dist/esm/icons/arrow-left-icon';
import { EyeIcon } from '@patternfly/react-icons/dist/esm/icons/eye-icon';
import { ThIcon } from '@patternfly/react-icons/dist/esm/icons/th-icon';
import { type KeyboardEvent, useState } from 'react';
import { Link } from 'react-router';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import type { Combination } from '../screen/keys.ts';
import { BarButton } from './bar-button.tsx';
import { BarMenu, type BarMenuItem } from './bar-menu.tsx';
import { HarshKeys } from './harsh-keys.tsx';
import { LinkFigures } from './link-figures.tsx';
import { PowerMenu } from './power-menu.tsx';
import { type Tool, type ToolsProps, toolsOf } from './tools.tsx';
import './bar.css';

const words = text.session.bar;

interface SessionBarProps extends ToolsProps {
  readonly name: string;
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

const POWER = 'power';
const ALL = 'all';

function Tools(props: ToolsProps) {
  const { desktop, used } = props;
  const { display } = used;
  const [asked, setAsked] = useState<Combination>();
  const [open, setOpen] = useState<string>();
  const press = (keys: Combination) => {
    display?.keyboard.press(keys);
    display?.focus();
  };
  const tools = toolsOf(props, press, setAsked);
  const hasPower = desktop !== undefined && desktop.rights.includes('power');
  const menu = (key: string) => ({
    isOpen: open === key,
    // Another one may have been opened by what was chosen in this one.
    onOpen: (isOpen: boolean) => setOpen((now) => (isOpen ? key : now === key ? undefined : now)),
  });
  const power = { key: POWER, label: words.power, onSelect: () => openLater(POWER) };
  // After the click that chose it, which would close it again.
  const openLater = (key: string) => void setTimeout(() => setOpen(key));
  const named = (tool: Tool): BarMenuItem => ({
    key: tool.key,
    label: tool.label,
    icon: tool.icon ?? <span className="oriel-bar__gap" />,
    isDisabled: tool.isDisabled === true || (tool.kind === 'menu' && tool.items.length === 0),
    ...(tool.kind === 'button' && tool.isPressed === true ? { description: words.isOn } : {}),
    onSelect: () => (tool.kind === 'menu' ? openLater(tool.key) : tool.onUse(false)),
  });
  return (
    <>
      {tools.map((tool) =>
        tool.kind === 'menu' ? (
          <BarMenu {...tool} key={tool.key} {...menu(tool.key)} />
        ) : (
          <BarButton {...tool} key={tool.key} onClick={(event) => tool.onUse(0 < event.detail)} />
        ),
      )}
      {hasPower && <PowerMenu desktop={desktop} {...menu(POWER)} />}
      <BarMenu
        label={words.allTools}
        icon={<ThIcon />}
        items={[...tools.map(named), ...(hasPower ? [power] : [])]}
        {...menu(ALL)}
      />
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
