/** File systems of a test's own: one that it can fill, empty and make read-only, and one that fails in use. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { onCleanup, tempFolder } from './setup.ts';

export interface SmallStorage {
  readonly folder: string;
  /** Takes every byte that is left. */
  fill(): void;
  /** Gives back what `fill` took. */
  free(): void;
  setReadOnly(isReadOnly: boolean): void;
}

/**
 * Mounts it; for that a test has to be root, as it is in CI. Call it before whatever uses it is started: it is unmounted
 * after that has ended.
 */
export function smallStorage(bytes: number): SmallStorage {
  const folder = tempFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=0700`, 'oriel-test', folder]);
  } catch (cause) {
    throw new Error('mounting a tmpfs failed: run this test as root (CAP_SYS_ADMIN)', { cause });
  }
  onCleanup(() => execFileSync('umount', ['--lazy', folder]));
  const filler = join(folder, 'filler');
  return {
    folder,
    fill: () => {
      const file = openSync(filler, 'a');
      try {
        for (let step = 1 << 20; 1 <= step; step = Math.floor(step / 2)) {
          try {
            for (;;) writeSync(file, Buffer.alloc(step));
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          }
        }
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    setReadOnly: (isReadOnly) => whenFree('mount', '-o', `remount,${isReadOnly ? 'ro' : 'rw'}`, folder),
  };
}

/** Runs a command that is refused while a process that was killed still closes its files. */
function whenFree(command: string, ...args: readonly string[]): void {
  for (let attempt = 1; ; attempt++) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (status === 0) return;
    if (attempt === 100) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
    spawnSync('sleep', ['0.05']);
  }
}

export interface FailingStorage {
  readonly folder: string;
  /** It makes itself read-only, as after an error, whoever has files open in it. */
  fail(): void;
  /** It is checked and writable again. Nobody may have files open in it. */
  mend(): void;
}

/**
 * An ext4 in a file, which the kernel can be told to find an error in. Where there are no loop devices (in some
 * containers), a plain folder whose images become immutable instead: EPERM in place of EROFS. Needs root.
 */
export function failingStorage(): FailingStorage {
  const folder = tempFolder();
  let image = join(tempFolder(), 'ext4');
  writeFileSync(image, '');
  truncateSync(image, 48 << 20);
  const quiet = { stdio: 'ignore' } as const;
  execFileSync('mkfs.ext4', ['-q', '-F', image], quiet);
  const mount = (): void => void execFileSync('mount', ['-o', 'loop,errors=remount-ro', image, folder], quiet);
  try {
    mount();
  } catch {
    const files = (): string[] =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.vhd'))
        .map((name) => join(folder, name));
    const mend = (): void => void execFileSync('chattr', ['-i', ...files()]);
    onCleanup(mend);
    return { folder, fail: () => void execFileSync('chattr', ['+i', ...files()]), mend };
  }
  onCleanup(() => execFileSync('umount', ['--lazy', folder]));
  return {
    folder,
    fail: () => {
      const line = readFileSync('/proc/mounts', 'utf8')
        .split('\n')
        .find((one) => one.split(' ')[1] === folder);
      const device = basename(line?.split(' ')[0] ?? '');
      writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, 'a test');
    },
    mend: () => {
      whenFree('umount', folder);
      // A copy: another process's mount namespace may keep the old one mounted, with its error, for as long as it lives.
      execFileSync('cp', ['--sparse=always', image, `${image}.mended`]);
      image = `${image}.mended`;
      spawnSync('e2fsck', ['-fy', image], quiet); // Its status is not 0 where it mended something.
      mount();
    },
  };
}
