/**
 * What the pages say, in the language of the page. A language is one object of the type `Text`: the compiler sees a
 * sentence that is missing, and a value that a sentence takes. English is the one that decides the type.
 */
import { session } from './english/session.ts';

const english = { session };

export type Text = typeof english;

export const text: Text = english;
