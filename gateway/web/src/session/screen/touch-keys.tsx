/** Keys for phones and tablets: modifiers that stay down for the next key, what such keyboards lack, and a text field. */
import { Button } from '@patternfly/react-core';
import { type FormEvent, type KeyboardEvent, useRef, useState } from 'react';
import type { Display } from './display.ts';
import { type Combination, functionKey, KEYS, type Key, keysymOf, nameOf } from './keys.ts';
import { editOf } from './soft-keyboard.ts';
import './touch-keys.css';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';

const words = text.session.touch;

const MODIFIERS: readonly Key[] = [KEYS.control, KEYS.alt, KEYS.altGr, KEYS.shift, KEYS.meta];

const PLAIN: readonly Key[] = [
  KEYS.escape,
  KEYS.tab,
  KEYS.left,
  KEYS.up,
  KEYS.down,
  KEYS.right,
  KEYS.home,
  KEYS.end,
  KEYS.pageUp,
  KEYS.pageDown,
  KEYS.insert,
  KEYS.delete,
  ...Array.from({ length: 12 }, (_, index) => functionKey(index + 1)),
];
/** Drawn instead of named. */
const ARROWS: ReadonlyMap<Key, string> = new Map([
  [KEYS.left, '←'],
  [KEYS.up, '↑'],
  [KEYS.down, '↓'],
  [KEYS.right, '→'],
]);

/** Android sends nothing for Backspace in an empty field, so there is always something to delete. */
const FILLER = '\u00a0\u00a0';
const MAX_FIELD_CHARS = 100;

export function TouchKeys({ display }: { readonly display: Display }) {
  const [held, setHeld] = useState<readonly Key[]>([]);
  const last = useRef('');
  const notices = useNotices();

  /** With what is held on top, which then is let go of. */
  const press = (chords: readonly Combination[]) => {
    if (chords.length === 0) return;
    void display.keyboard.type(chords.map((chord) => [...held.filter((key) => !chord.includes(key)), ...chord]));
    setHeld([]);
  };
  const edit = (before: string, after: string) => {
    const { removed, typed } = editOf(before, after);
    const { missing } = display.keyboard.keysOf(typed);
    const chords = Array.from(typed.normalize('NFC')).flatMap((character) => keysOrSymbol(display, character));
    press([...Array.from({ length: removed }, () => [KEYS.backspace]), ...chords]);
    if (0 < missing.length) notices.tell(words.missing(missing.join(' ')), words.missingWhy);
  };
  const reset = (field: HTMLInputElement) => {
    last.current = FILLER;
    field.value = FILLER;
    field.setSelectionRange(FILLER.length, FILLER.length);
  };
  const onInput = (event: FormEvent<HTMLInputElement>) => {
    const field = event.currentTarget;
    edit(last.current, field.value);
    last.current = field.value;
    const isComposing = (event.nativeEvent as InputEvent).isComposing;
    if (!isComposing && (field.value.length < FILLER.length || MAX_FIELD_CHARS < field.value.length)) reset(field);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Keys that make no text: Enter everywhere, the others from a tablet's real keyboard.
    const key = SPECIAL.get(event.key);
    if (key === undefined || event.nativeEvent.isComposing) return;
    event.preventDefault();
    press([[key]]);
  };

  return (
    <div className="oriel-keys" role="group" aria-label={words.name}>
      <input
        className="oriel-keys__field"
        aria-label={words.field}
        placeholder={words.placeholder}
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
        {MODIFIERS.map((key) => (
          <Button
            key={key.code}
            size="sm"
            variant={held.includes(key) ? 'primary' : 'secondary'}
            aria-pressed={held.includes(key)}
            onClick={() => setHeld((now) => (now.includes(key) ? now.filter((each) => each !== key) : [...now, key]))}
          >
            {nameOf([key])}
          </Button>
        ))}
        {PLAIN.map((key) => (
          <Button
            key={key.code}
            size="sm"
            variant="secondary"
            aria-label={nameOf([key])}
            onClick={() => press([[key]])}
          >
            {ARROWS.get(key) ?? nameOf([key])}
          </Button>
        ))}
      </div>
    </div>
  );
}

/** What the guest's keyboard lacks goes as its symbol alone: X servers know what to do with it, QEMU drops it. */
function keysOrSymbol(display: Display, character: string): readonly Combination[] {
  const { chords, missing } = display.keyboard.keysOf(character);
  return missing.length === 0 ? chords : [[{ keysym: keysymOf(character) ?? 0, code: '' }]];
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
