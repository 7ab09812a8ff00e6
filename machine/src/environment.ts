/**
 * What a program that we start is told of our environment: what programs need to find their way, by name. Settings and the
 * secrets in them (a database's password, a proxy's) stay with us.
 */

/** Names that are passed on; `LC_…` beside them. */
const PASSED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'LANG', 'LANGUAGE', 'TZ', 'TMPDIR', 'XDG_RUNTIME_DIR'];
/** For programs of ours: how Node itself runs. */
const PASSED_TO_NODE = ['NODE_OPTIONS', 'NODE_EXTRA_CA_CERTS', 'NODE_V8_COVERAGE'];

export type Environment = Readonly<Record<string, string | undefined>>;

/** For any program. PURE. */
export function plainEnvironment(from: Environment): Record<string, string> {
  return pick(from, (name) => PASSED.includes(name) || /^LC_[A-Z]+$/.test(name));
}

/** For a program of our own that runs in Node. PURE. */
export function nodeEnvironment(from: Environment): Record<string, string> {
  return { ...plainEnvironment(from), ...pick(from, (name) => PASSED_TO_NODE.includes(name)) };
}

function pick(from: Environment, isWanted: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(from).filter((entry): entry is [string, string] => entry[1] !== undefined && isWanted(entry[0])),
  );
}
