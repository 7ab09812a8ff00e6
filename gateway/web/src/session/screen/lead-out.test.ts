import { expect, test } from 'vitest';
import { LeadOut } from './lead-out.ts';

/** `+` goes down, `-` is let go of; gives the strokes that led out. */
function led(strokes: string): readonly string[] {
  const lead = new LeadOut();
  return strokes.split(' ').filter((stroke) => {
    const code = stroke.slice(1);
    if (stroke.startsWith('-')) return lead.released(code);
    lead.pressed(code);
    return false;
  });
}

test.for([
  {
    it: 'the three',
    strokes: '+ControlLeft +AltLeft +ShiftLeft -ShiftLeft -AltLeft -ControlLeft',
    out: ['-ShiftLeft'],
  },
  {
    it: 'in any order',
    strokes: '+ShiftRight +ControlLeft +AltLeft -ControlLeft -ShiftRight -AltLeft',
    out: ['-ControlLeft'],
  },
  {
    it: 'a chord with a letter',
    strokes: '+ControlLeft +AltLeft +ShiftLeft +KeyL -KeyL -ShiftLeft -AltLeft -ControlLeft',
    out: [],
  },
  { it: 'two of them', strokes: '+ControlLeft +AltLeft -AltLeft -ControlLeft', out: [] },
  { it: 'one after the other', strokes: '+ControlLeft -ControlLeft +AltLeft -AltLeft +ShiftLeft -ShiftLeft', out: [] },
  {
    it: 'the three after a chord',
    strokes: '+ControlLeft +KeyC -KeyC -ControlLeft +ControlLeft +AltLeft +ShiftLeft -ControlLeft',
    out: ['-ControlLeft'],
  },
  {
    it: 'the three after a letter that was typed',
    strokes: '+KeyA -KeyA +ControlLeft +AltLeft +ShiftLeft -ControlLeft',
    out: ['-ControlLeft'],
  },
  { it: 'the three with Super', strokes: '+ControlLeft +AltLeft +ShiftLeft +MetaLeft -MetaLeft -ShiftLeft', out: [] },
])('$it', ({ strokes, out }) => {
  expect(led(strokes)).toEqual(out);
});
