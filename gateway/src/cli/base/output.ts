/** What the `oriel` command writes: tables for people, one JSON document for scripts. */
import { shown } from '../../../api/text.ts';

/** Where output goes: the process's own, or a test's. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Columns of a terminal; undefined in a pipe, where nothing is cut. */
  readonly columns: number | undefined;
}

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | null | undefined;
  readonly isRight?: boolean;
}

const GAP = '  ';

/** Aligned columns with a head line. The last column is cut where the terminal ends. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width?: number): string {
  const cells = rows.map((row) => columns.map((column) => visible(column.value(row))));
  const all = [columns.map((column) => column.title.toUpperCase()), ...cells];
  const widths = columns.map((_, at) => Math.max(...all.map((line) => length(line[at] ?? ''))));
  const lines = all.map((line) =>
    line
      .map((cell, at) => pad(cell, widths[at] ?? 0, columns[at]?.isRight === true))
      .join(GAP)
      .trimEnd(),
  );
  return `${lines.map((line) => cut(line, width)).join('\n')}\n`;
}

/** `name: value` lines, for one object. */
export function sheet(rows: readonly (readonly [string, string | number | null | undefined])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${visible(value)}`.trimEnd()).join('\n') + '\n';
}

/** Control characters of names and messages never reach the terminal (they come from guests and other users). */
function visible(value: string | number | null | undefined): string {
  if (value === null || value === undefined || value === '') return '-';
  return shown(String(value));
}

/** The same for text of several lines. */
export function shownLines(text: string): string {
  return text.split('\n').map(shown).join('\n');
}

/** Code points, which is what most terminals give a column to. */
const length = (text: string): number => Array.from(text).length;

function pad(text: string, width: number, isRight: boolean): string {
  const fill = ' '.repeat(Math.max(0, width - length(text)));
  return isRight ? fill + text : text + fill;
}

function cut(line: string, width: number | undefined): string {
  if (width === undefined || length(line) <= width) return line;
  return `${Array.from(line)
    .slice(0, Math.max(1, width - 1))
    .join('')}…`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (1024 <= value && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || 100 <= value ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `512M`, `8G`, `1.5T`, or plain bytes. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt])?(?:i?b)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const power = ' kmgt'.indexOf((match[2] ?? ' ').toLowerCase());
  const count = Math.round(Number(match[1]) * 1024 ** power);
  return Number.isSafeInteger(count) ? count : undefined;
}

/** `3 s`, `12 min`, `4 h`, `9 d`: how long ago. */
export function ago(at: string | null | undefined, now: number): string {
  if (at === null || at === undefined) return '-';
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
