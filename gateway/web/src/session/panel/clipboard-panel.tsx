/** The clipboard by hand, for browsers and policies where it does not go over by itself. */
import { Button, FormGroup, Switch, TextArea } from '@patternfly/react-core';
import { useState } from 'react';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import { type ClipboardWays, writeQuietly } from '../screen/clipboard.ts';
import { Panel } from './panel.tsx';

const words = text.session.clipboard;

interface ClipboardPanelProps {
  readonly ways: ClipboardWays;
  readonly remote: string | undefined;
  readonly onSend: (text: string) => void;
  readonly isSynced: boolean;
  readonly onSynced: (isOn: boolean) => void;
  readonly onClose: () => void;
}

export function ClipboardPanel({ ways, remote, onSend, isSynced, onSynced, onClose }: ClipboardPanelProps) {
  const [typed, setTyped] = useState('');
  const notices = useNotices();
  const copy = async () => {
    if (await writeQuietly(remote ?? '')) notices.done(words.copied);
    else notices.tell(text.session.page.notAllowed, words.copyByHand);
  };
  const paste = async () => {
    try {
      setTyped(await navigator.clipboard.readText());
    } catch {
      notices.tell(text.session.page.notAllowed, words.pasteByHand);
    }
  };
  return (
    <Panel title={words.title} onClose={onClose}>
      {ways.canReceive && (
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
      {ways.canSend && (
        <FormGroup label={words.to} fieldId="clipboard-local">
          <TextArea id="clipboard-local" rows={4} value={typed} onChange={(_, value) => setTyped(value)} />
          <div className="oriel-panel__buttons">
            <Button
              size="sm"
              isDisabled={typed === ''}
              onClick={() => {
                onSend(typed);
                notices.done(words.sent);
              }}
            >
              {words.send}
            </Button>
            <Button variant="secondary" size="sm" onClick={() => void paste()}>
              {words.fill}
            </Button>
          </div>
        </FormGroup>
      )}
      <Switch id="clipboard-sync" label={words.sync} isChecked={isSynced} onChange={(_, isOn) => onSynced(isOn)} />
    </Panel>
  );
}
