/**
 * What the pages say, in the language of the page. A language is one object of the type `Text`: the compiler sees a
 * sentence that is missing, and a value that a sentence takes. English is the one that decides the type.
 */
import { account } from './english/account.ts';
import { api } from './english/api.ts';
import { app } from './english/app.ts';
import { common } from './english/common.ts';
import { consolePages } from './english/console.ts';
import { portal } from './english/portal.ts';
import { session } from './english/session.ts';
import { shell } from './english/shell.ts';
import { signIn } from './english/sign-in.ts';

const english = { account, api, app, common, portal, session, shell, signIn, console: consolePages };

export type Text = typeof english;

export const text: Text = english;
