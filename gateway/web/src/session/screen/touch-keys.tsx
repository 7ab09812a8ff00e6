/** Keys for phones and tablets: modifiers that stay down for the next key, what such keyboards lack, and a text field. */
import { Button } from '@patternfly/react-core';
import { type FormEvent, type KeyboardEvent, useRef, useState } from 'react';
import type { Display } from './display.ts';
import { functionKey, KEYS, type Key } from './keys.ts';
import { keysForEdit } from './soft-keyboard.ts';
import './touch-keys.css';

const MODIFIERS: readonly { readonly label: string; readonly key: Key }[] = [
  { label: 'Ctrl', key: KEYS.control },
  { label: 'Alt', key: KEYS.alt },
  { label: 'AltGr', key: KEYS.altGr },
  { label: 'Shift', key: KEYS.shift },
  { label: 'Super', key: KEYS.meta },
];

const PLAIN: readonly { readonly label: string; readonly key: Key; readonly name?: string }[] = [
  { label: 'Esc', key: KEYS.escape },
  { label: 'Tab', key: KEYS.tab },
  { label: '←', key: KEYS.left, name: 'Left' },
  { label: '↑', key: KEYS.up, name: 'Up' },
  { label: '↓', key: KEYS.down, name: 'Down' },
  { label: '→', key: KEYS.right, name: 'Right' },
  { label: 'Home', key: KEYS.home },
  { label: 'End', key: KEYS.end },
  { label: 'PgUp', key: KEYS.pageUp },
  { label: 'PgDn', key: KEYS.pageDown },
  { label: 'Ins', key: KEYS.insert },
  { label: 'Del', key: KEYS.delete },
  ...Array.from({ length: 12 }, (_, index) => ({ label: `F${index + 1}`, key: functionKey(index + 1) })),
];

/** Android sends nothing for Backspace in an empty field, so there is always something to delete. */
const FILLER = '\u00a0\u00a0';
const MAX_FIELD_CHARS = 100;

export function TouchKeys({ display }: { readonly display: Display }) {
  const [held, setHeld] = useState<readonly Key[]>([]);
  const last = useRef('');

  const press = (keys: readonly Key[]) => {
    if (held.length === 0) display.type(keys);
    else for (const key of keys) display.press([...held, key]);
    if (0 < keys.length) setHeld([]);
  };
  const reset = (field: HTMLInputElement) => {
    last.current = FILLER;
    field.value = FILLER;
    field.setSelectionRange(FILLER.length, FILLER.length);
  };
  const onInput = (event: FormEvent<HTMLInputElement>) => {
    const field = event.currentTarget;
    press(keysForEdit(last.current, field.value));
    last.current = field.value;
    const isComposing = (event.nativeEvent as InputEvent).isComposing;
    if (!isComposing && (field.value.length < FILLER.length || MAX_FIELD_CHARS < field.value.length)) reset(field);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Keys that make no text: Enter everywhere, the others from a tablet's real keyboard.
    const key = SPECIAL.get(event.key);
    if (key === undefined || event.nativeEvent.isComposing) return;
    event.preventDefault();
    press([key]);
  };

  return (
    <div className="oriel-keys" role="group" aria-label="On-screen keys">
      <input
        className="oriel-keys__field"
        aria-label="Type to the desktop"
        placeholder="Type here"
        autoComplete="off"
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        defaultValue=""
        onFocus={(event) => reset(event.currentTarget)}
        onBlur={(event) => {
          last.current = '';
          event.currentTarget.value = '';
        }}
        onInput={onInput}
        onKeyDown={onKeyDown}
      />
      <div className="oriel-keys__row">
        {MODIFIERS.map(({ label, key }) => (
          <Button
            key={label}
            size="sm"
            variant={held.includes(key) ? 'primary' : 'secondary'}
            aria-pressed={held.includes(key)}
            onClick={() => setHeld((now) => (now.includes(key) ? now.filter((each) => each !== key) : [...now, key]))}
          >
            {label}
          </Button>
        ))}
        {PLAIN.map(({ label, key, name = label }) => (
          <Button key={label} size="sm" variant="secondary" aria-label={name} onClick={() => press([key])}>
            {label}
          </Button>
        ))}
      </div>
    </div>
  );
}

const SPECIAL: ReadonlyMap<string, Key> = new Map(
  [
    KEYS.enter,
    KEYS.tab,
    KEYS.escape,
    KEYS.left,
    KEYS.right,
    KEYS.up,
    KEYS.down,
    KEYS.home,
    KEYS.end,
    KEYS.pageUp,
    KEYS.pageDown,
  ].map((key) => [key.code, key]),
);
