/** Text as keys, for desktops without a clipboard: what cannot be typed is named before anything is sent. */
import { Alert, Button, FormGroup, FormSelect, FormSelectOption, Progress } from '@patternfly/react-core';
import { useState } from 'react';
import { text } from '../../text/text.ts';
import { KEYBOARDS, type KeyboardChoice } from '../screen/guest-keyboard.ts';
import type { UsedDisplay } from '../screen/use-display.ts';

const words = text.session.typing;

interface TypeTextProps {
  readonly used: UsedDisplay;
  readonly typed: string;
  readonly keyboard: KeyboardChoice;
  readonly onKeyboard: (keyboard: KeyboardChoice) => void;
}

export function TypeText({ used, typed, keyboard, onKeyboard }: TypeTextProps) {
  const { display, typing } = used;
  const [left, setLeft] = useState<number>();
  const missing = display === undefined || typed === '' ? [] : display.keyboard.keysOf(typed).missing;
  const type = async () => {
    if (display === undefined) return;
    setLeft(undefined);
    const { chords } = display.keyboard.keysOf(typed);
    const done = await display.keyboard.type(chords);
    if (done < chords.length) setLeft(chords.length - done);
  };
  return (
    <>
      {used.hasScancodes && (
        <FormGroup label={text.session.bar.keyboard} fieldId="typing-keyboard">
          <FormSelect
            id="typing-keyboard"
            value={keyboard}
            onChange={(_, value) => onKeyboard(value as KeyboardChoice)}
            isDisabled={typing !== undefined}
          >
            {KEYBOARDS.map((choice) => (
              <FormSelectOption key={choice} value={choice} label={words.keyboard(choice)} />
            ))}
          </FormSelect>
        </FormGroup>
      )}
      {0 < missing.length && (
        <Alert isInline component="p" variant="warning" title={words.missing(missing.join(' '))}>
          {words.missingWhy}
        </Alert>
      )}
      {left !== undefined && <Alert isInline component="p" variant="warning" title={words.stopped(left)} />}
      {typing === undefined ? (
        <Button
          size="sm"
          variant="secondary"
          isDisabled={typed === '' || 0 < missing.length}
          onClick={() => void type()}
        >
          {words.type}
        </Button>
      ) : (
        <>
          <Progress
            aria-label={words.progress}
            value={typing.done}
            max={typing.total}
            label={words.of(typing.done, typing.total)}
            measureLocation="outside"
            size="sm"
          />
          <Button size="sm" variant="secondary" onClick={() => display?.keyboard.stopTyping()}>
            {words.stop}
          </Button>
        </>
      )}
    </>
  );
}
