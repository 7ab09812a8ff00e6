/** Where the test guests of this package lie, and how those that are not in the repository are built. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment } from '@oriel/machine';
import { HostError } from './errors.ts';

/** A bootable raw image small enough for the repository: what `npm start` shows first. Its disk has to be 1 MiB or more. */
export const TOY_IMAGE_PATH: string = fileURLToPath(new URL('../guests/toy/toy.bin', import.meta.url));

const BUILDERS = fileURLToPath(new URL('../guests/', import.meta.url));
const BUILD_MS = 600_000;

export interface BuildOptions {
  readonly signal?: AbortSignal;
}

/**
 * The path of the Linux guest's raw image, built from Debian packages into `cacheDir` where it is not there yet (about
 * 15 s; afterwards none). HOST_RESOURCES with the reason where this machine cannot build it: do without it then.
 */
export function buildLinuxGuest(cacheDir: string, options: BuildOptions = {}): Promise<string> {
  return buildGuest('linux', cacheDir, options);
}

/** The same for the guest with a desktop: about a minute, 150 MB of packages. */
export function buildGraphicalGuest(cacheDir: string, options: BuildOptions = {}): Promise<string> {
  return buildGuest('graphical', cacheDir, options);
}

function buildGuest(name: 'linux' | 'graphical', cacheDir: string, options: BuildOptions): Promise<string> {
  const env = { ...nodeEnvironment(process.env), ...proxies() };
  const settings = { timeout: BUILD_MS, env, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const script = join(BUILDERS, name, 'build.mjs');
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [script, cacheDir], settings, (cause, stdout, stderr) => {
      if (cause === null) resolve(stdout.trim());
      else
        reject(
          new HostError('HOST_RESOURCES', stderr.trim() || `cannot build the ${name} guest: ${cause.message}`, {
            cause,
          }),
        );
    });
  });
}

/** Debian's packages are fetched the way that this machine reaches them. */
function proxies(): Record<string, string | undefined> {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'APT_CONFIG'];
  return Object.fromEntries(names.map((name) => [name, process.env[name]]));
}
