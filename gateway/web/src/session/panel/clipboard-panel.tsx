/** The clipboard by hand, for browsers and policies where it does not go over by itself; and text as keys. */
import { Alert, Button, FormGroup, Switch, TextArea } from '@patternfly/react-core';
import { useState } from 'react';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import { type ClipboardWays, writeQuietly } from '../screen/clipboard.ts';
import type { KeyboardChoice } from '../screen/guest-keyboard.ts';
import type { UsedDisplay } from '../screen/use-display.ts';
import { Panel } from './panel.tsx';
import { TypeText } from './type-text.tsx';

const words = text.session.clipboard;

interface ClipboardPanelProps {
  readonly used: UsedDisplay;
  readonly ways: ClipboardWays;
  /** Whether the desktop has a clipboard that this session reaches. */
  readonly hasChannel: boolean;
  /** Sends it; false where it is too large, which is said. */
  readonly onSend: (typed: string) => boolean;
  readonly keyboard: KeyboardChoice;
  readonly onKeyboard: (keyboard: KeyboardChoice) => void;
  readonly isSynced: boolean;
  readonly onSynced: (isOn: boolean) => void;
  readonly onClose: () => void;
}

export function ClipboardPanel(props: ClipboardPanelProps) {
  const { used, ways, hasChannel, isSynced, onSynced } = props;
  const remote = used.remoteClipboard?.text;
  const notices = useNotices();
  const copy = async () => {
    if (await writeQuietly(remote ?? '')) notices.done(words.copied);
    else notices.tell(text.session.page.notAllowed, words.copyByHand);
  };
  return (
    <Panel title={words.title} onClose={props.onClose}>
      {!hasChannel && <Alert isInline component="p" variant="info" title={words.none} children={words.noneWhy} />}
      {ways.canReceive && hasChannel && (
        <FormGroup label={words.from} fieldId="clipboard-remote">
          <TextArea
            id="clipboard-remote"
            readOnlyVariant="default"
            rows={4}
            value={remote ?? ''}
            placeholder={words.fromPlaceholder}
          />
          <Button variant="secondary" size="sm" isDisabled={remote === undefined} onClick={() => void copy()}>
            {words.copy}
          </Button>
        </FormGroup>
      )}
      {ways.canSend && <Outgoing {...props} />}
      {hasChannel && (
        <Switch id="clipboard-sync" label={words.sync} isChecked={isSynced} onChange={(_, isOn) => onSynced(isOn)} />
      )}
    </Panel>
  );
}

/** A text for the desktop: onto its clipboard where it has one, or as keys. */
function Outgoing({ used, hasChannel, onSend, keyboard, onKeyboard }: ClipboardPanelProps) {
  const [typed, setTyped] = useState('');
  const notices = useNotices();
  const paste = async () => {
    try {
      setTyped(await navigator.clipboard.readText());
    } catch {
      notices.tell(text.session.page.notAllowed, words.pasteByHand);
    }
  };
  return (
    <FormGroup label={words.to} fieldId="clipboard-local">
      <TextArea id="clipboard-local" rows={4} value={typed} onChange={(_, value) => setTyped(value)} />
      <div className="oriel-panel__buttons">
        {hasChannel && (
          <Button size="sm" isDisabled={typed === ''} onClick={() => onSend(typed) && notices.done(words.sent)}>
            {words.send}
          </Button>
        )}
        <Button variant="secondary" size="sm" onClick={() => void paste()}>
          {words.fill}
        </Button>
      </div>
      <div className="oriel-panel__group">
        <TypeText used={used} typed={typed} keyboard={keyboard} onKeyboard={onKeyboard} />
      </div>
    </FormGroup>
  );
}
