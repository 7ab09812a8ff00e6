/** What is said of an image whose parents lie in other folders than itself. */

/** The flags that it needs from now on; no line where it opens by itself. */
export function parentsLine(file: string, folders: readonly string[]): readonly string[] {
  if (folders.length === 0) return [];
  const flags = folders.map((folder) => `--parents ${quoted(folder)}`).join(' ');
  return [`${file} has parents in other folders: it opens with ${flags}`];
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
