/** Which gateways the `oriel` command knows, and its token at each: a file that only its owner can read. */
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { CliError } from './exit.ts';

export interface Profile {
  readonly url: string;
  readonly token: string;
  /** PEM of the authority or of the self-signed certificate that the gateway shows. */
  readonly ca?: string | undefined;
}
export interface ProfileFile {
  readonly current: string;
  readonly profiles: Readonly<Record<string, Profile>>;
}

const profileSchema = z.object({ url: z.url(), token: z.string().min(1), ca: z.string().optional() });
const fileSchema = z.object({ current: z.string(), profiles: z.record(z.string(), profileSchema) });

export type Env = Readonly<Record<string, string | undefined>>;

export function profilePath(env: Env): string {
  const config = env['XDG_CONFIG_HOME'] ?? path.join(env['HOME'] ?? homedir(), '.config');
  return env['ORIEL_PROFILES'] ?? path.join(config, 'oriel', 'profiles.json');
}

/** An absent file is no profiles; one that others can read is refused, as ssh refuses such a key. */
export function readProfiles(file: string): ProfileFile {
  let text: string;
  try {
    const { mode } = statSync(file);
    if ((mode & 0o077) !== 0) throw new CliError(`${file} can be read by others: chmod 600 ${file}`);
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { current: 'default', profiles: {} };
    if (cause instanceof CliError) throw cause;
    throw new CliError(`cannot read ${file}: ${(cause as Error).message}`, 1, { cause });
  }
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CliError(`${file} is not a profile file: move it away and run oriel login`, 1, { cause });
  }
}

export function writeProfiles(file: string, profiles: ProfileFile): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600 });
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
}
