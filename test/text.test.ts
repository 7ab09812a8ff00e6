/**
 * What a page says comes from its catalogue (gateway/web/src/text): in the folders that are listed here, no component and
 * no table holds words of its own. The rule reads the syntax tree, and is seen to fail on planted violations below.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAst } from 'vite';
import { describe, expect, test } from 'vitest';

/** Folders of gateway/web/src whose words are in the catalogue. A folder is held to it as soon as it stands here. */
const DONE: readonly string[] = ['account', 'api', 'console', 'portal', 'session', 'shell', 'sign-in'];

const WEB = fileURLToPath(new URL('../gateway/web/src', import.meta.url));

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** Attributes and properties that a person reads or hears, whatever they look like. */
const SPOKEN =
  /^(aria-(label|description|roledescription|valuetext|placeholder)|alt|title|label|labelText|description|placeholder|content|titleText|helperText|text|why|name)$/;
/** What only the machine reads. `key`, `id` and so on are never shown; class names and selectors hold spaces. */
const MUTE =
  /^(className|class|id|key|type|variant|htmlFor|fieldId|labelId|aria-labelledby|aria-describedby|to|href|rel|role|data-testid|code|kind|size|color|fontFamily|transform|style|trigger|autoComplete)$/;
const SELECTING =
  /^(querySelector|querySelectorAll|closest|matches|matchMedia|addEventListener|removeEventListener|getItem|setItem|setAttribute|removeAttribute|query)$/;

/** Two words, a sentence, or one word that begins with a capital: what people write for people. */
const isProse = (text: string): boolean =>
  /\p{L}['’)]?[\s\u00a0]+['’(]?\p{L}/u.test(text) || /^\s*\p{Lu}\p{Ll}+[.…!?:]?\s*$/u.test(text);
/** Not said to anybody: keys as the DOM calls them, a font, what a tooltip answers to. */
const TECHNICAL: ReadonlySet<string> = new Set(
  'Delete,Backspace,Tab,Enter,Escape,Insert,Home,End,Control,Alt,Shift,Meta,Key,14px RedHatMono,mouseenter focus'.split(
    ',',
  ),
);
const hasLetters = (text: string): boolean => /\p{L}{2}/u.test(text);

/** The words in `source` that are not from the catalogue. */
function wordsIn(source: string): readonly string[] {
  const found: string[] = [];
  const say = (text: string, isWanted: (text: string) => boolean): void => {
    if (isWanted(text) && !TECHNICAL.has(text)) found.push(text.trim());
  };
  const visit = (value: unknown, isSpoken: boolean): void => {
    if (Array.isArray(value)) {
      for (const each of value) visit(each, isSpoken);
      return;
    }
    if (typeof value !== 'object' || value === null || !('type' in value)) return;
    const node = value as Node;
    const all = (spoken: boolean, ...skipped: readonly string[]): void => {
      for (const [key, child] of Object.entries(node)) if (!skipped.includes(key)) visit(child, spoken);
    };
    switch (node.type) {
      case 'JSXText':
        say(node['value'] as string, hasLetters);
        return;
      case 'Literal':
        if (typeof node['value'] === 'string') say(node['value'], isSpoken ? hasLetters : isProse);
        return;
      case 'TemplateElement':
        say((node['value'] as { cooked: string }).cooked, isSpoken ? hasLetters : isProse);
        return;
      case 'JSXAttribute': {
        const name = nameOf(node['name']);
        if (!MUTE.test(name)) visit(node['value'], SPOKEN.test(name));
        return;
      }
      case 'Property': {
        const name = nameOf(node['key']);
        if (!MUTE.test(name)) visit(node['value'], SPOKEN.test(name));
        return;
      }
      case 'CallExpression':
        visit(node['callee'], false);
        if (!SELECTING.test(nameOf(node['callee']))) visit(node['arguments'], false);
        return;
      case 'BinaryExpression': // `event.key === 'Escape'`
        if (node['operator'] === '+') all(isSpoken);
        return;
      case 'SwitchCase':
        visit(node['consequent'], false);
        return;
      case 'ConditionalExpression':
        visit(node['test'], false);
        visit(node['consequent'], isSpoken);
        visit(node['alternate'], isSpoken);
        return;
      case 'ImportDeclaration':
      case 'ImportExpression':
      case 'ExportAllDeclaration':
      case 'TSLiteralType':
      case 'MemberExpression':
        if (node.type === 'MemberExpression') visit(node['object'], false);
        return;
      case 'TemplateLiteral':
      case 'JSXExpressionContainer':
      case 'LogicalExpression':
      case 'ParenthesizedExpression':
      case 'TSAsExpression':
      case 'TSSatisfiesExpression':
        all(isSpoken);
        return;
      default:
        all(false);
    }
  };
  visit(parseAst(source, { lang: 'tsx' }), false);
  return found;
}

/** The last name of what is called or set: `a.b.c` is `c`. */
function nameOf(value: unknown): string {
  const node = value as Node;
  if (node.type === 'MemberExpression') return nameOf(node['property']);
  if (node.type === 'Literal') return String(node['value']);
  return typeof node['name'] === 'string' ? node['name'] : '';
}

/** Which key makes which character: no words. */
const TABLES: readonly string[] = ['session/screen/layouts.ts'];

function filesBelow(folder: string): string[] {
  return readdirSync(`${WEB}/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name))
    .map((name) => `${folder}/${name}`)
    .filter((file) => !TABLES.includes(file));
}

describe('the text of the pages', () => {
  test.for(DONE)('%s: every word is from the catalogue', (folder) => {
    const files = filesBelow(folder);
    expect(files.length).toBeGreaterThan(0);
    const words = files.flatMap((file) =>
      wordsIn(readFileSync(`${WEB}/${file}`, 'utf8')).map((word) => `${file}: ${word}`),
    );
    expect(words).toEqual([]);
  });

  test.for([
    { it: 'words between tags', source: '<p>Hello {name}</p>', words: ['Hello'] },
    { it: 'a small word between tags', source: '<p>{n} ms</p>', words: ['ms'] },
    { it: 'a label', source: '<Button aria-label="close" />', words: ['close'] },
    { it: 'a label that is chosen', source: "<B label={a ? 'on' : t.off} />", words: ['on'] },
    { it: 'a template', source: '<p title={`Close ${name}`} />', words: ['Close'] },
    { it: 'a table', source: "const A = [{ label: 'fit', choice: 'fit' }];", words: ['fit'] },
    { it: 'a sentence that is handed on', source: "notices.done('It is done');", words: ['It is done'] },
    { it: 'one word that is handed on', source: "notices.done('Copied');", words: ['Copied'] },
    {
      it: 'an error that will be shown',
      source: "throw new Error('the owner refused');",
      words: ['the owner refused'],
    },
  ])('planted: $it', ({ source, words }) => {
    expect(wordsIn(source)).toEqual(words);
  });

  test('what no person reads is left alone', () => {
    expect(
      wordsIn(`
        import { a } from './Some where.ts';
        const isEscape = event.key === 'Escape';
        type Mode = 'Only look';
        <p className="pf-v6-c-button pf-m-secondary" data-testid="Screen">{words.hello}</p>;
        document.querySelector('.a b, .c d');
      `),
    ).toEqual([]);
  });
});
