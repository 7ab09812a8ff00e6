/** The clipboard by hand, for browsers and policies where it does not go over by itself. */
import { Button, FormGroup, Switch, TextArea } from '@patternfly/react-core';
import { useState } from 'react';
import { useNotices } from '../../shell/frame/notices.tsx';
import { type ClipboardWays, writeQuietly } from '../screen/clipboard.ts';
import { Panel } from './panel.tsx';

interface ClipboardPanelProps {
  readonly ways: ClipboardWays;
  readonly remote: string | undefined;
  readonly onSend: (text: string) => void;
  readonly isSynced: boolean;
  readonly onSynced: (isOn: boolean) => void;
  readonly onClose: () => void;
}

export function ClipboardPanel({ ways, remote, onSend, isSynced, onSynced, onClose }: ClipboardPanelProps) {
  const [text, setText] = useState('');
  const notices = useNotices();
  const copy = async () => {
    if (await writeQuietly(remote ?? '')) notices.done('Copied to this device');
    else notices.tell('The browser did not allow it', 'Select the text and copy it with the keyboard.');
  };
  const paste = async () => {
    try {
      setText(await navigator.clipboard.readText());
    } catch {
      notices.tell('The browser did not allow it', 'Paste into the field with the keyboard.');
    }
  };
  return (
    <Panel title="Clipboard" onClose={onClose}>
      {ways.canReceive && (
        <FormGroup label="From the desktop" fieldId="clipboard-remote">
          <TextArea
            id="clipboard-remote"
            readOnlyVariant="default"
            rows={4}
            value={remote ?? ''}
            placeholder="What you copy there appears here"
          />
          <Button variant="secondary" size="sm" isDisabled={remote === undefined} onClick={() => void copy()}>
            Copy to this device
          </Button>
        </FormGroup>
      )}
      {ways.canSend && (
        <FormGroup label="To the desktop" fieldId="clipboard-local">
          <TextArea id="clipboard-local" rows={4} value={text} onChange={(_, value) => setText(value)} />
          <div className="oriel-panel__buttons">
            <Button
              size="sm"
              isDisabled={text === ''}
              onClick={() => {
                onSend(text);
                notices.done('Sent. Paste it there.');
              }}
            >
              Send to the desktop
            </Button>
            <Button variant="secondary" size="sm" onClick={() => void paste()}>
              Fill from this device
            </Button>
          </div>
        </FormGroup>
      )}
      <Switch
        id="clipboard-sync"
        label="Keep both alike by themselves, where the browser allows it"
        isChecked={isSynced}
        onChange={(_, isOn) => onSynced(isOn)}
      />
    </Panel>
  );
}
