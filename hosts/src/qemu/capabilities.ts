/** What this host can do, found out once: QEMU's version and machine types, processors, memory, firmware, swtpm. */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { plainEnvironment } from '@oriel/machine';
import type { Capabilities, FacetName } from '../driver.ts';
import { HostError } from '../errors.ts';
import type { MachineFamily } from '../spec.ts';
import { SWTPM } from './verbs/tpm.ts';
import { QEMU_LIMITS, type QemuOptions } from './vm/host.ts';

const run = promisify(execFile);
const RUN_LIMITS = { timeoutMs: 10_000, outputBytes: 1_048_576 } as const;

export interface Installed {
  readonly version: string;
  readonly machines: Readonly<Record<MachineFamily, string>>;
  readonly firmware: { readonly code: string; readonly variables: string } | undefined;
  readonly hasTpm: boolean;
}

/** Debian's names for OVMF, best first. */
const OVMF = [
  ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
  ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
] as const;

export async function findInstalled(binary: string, options: QemuOptions): Promise<Installed> {
  const [version, machines] = await Promise.all([ask(binary, ['--version']), ask(binary, ['-machine', 'help'])]);
  return {
    version: /version (\d+\.\d+\.\d+)/.exec(version)?.[1] ?? version.trim().slice(0, 80),
    machines: parseMachines(machines),
    firmware: await findFirmware(options),
    hasTpm: await access(SWTPM).then(
      () => true,
      () => false,
    ),
  };
}

async function ask(binary: string, argv: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(binary, argv, {
      timeout: RUN_LIMITS.timeoutMs,
      maxBuffer: RUN_LIMITS.outputBytes,
      env: plainEnvironment(process.env),
    });
    return stdout;
  } catch (cause) {
    throw new HostError('HOST_UNREACHABLE', `cannot run ${binary}: is qemu-system-x86 installed`, { cause });
  }
}

/** The exact machine behind each family's alias, from `-machine help`. PURE. */
export function parseMachines(help: string): Readonly<Record<MachineFamily, string>> {
  const exact = (family: MachineFamily): string =>
    new RegExp(`^${family}\\s.*\\(alias of ([a-z0-9.-]+)\\)`, 'm').exec(help)?.[1] ?? family;
  return { pc: exact('pc'), q35: exact('q35') };
}

async function findFirmware(options: QemuOptions): Promise<Installed['firmware']> {
  const { firmwareCode, firmwareVariables } = options;
  const given =
    firmwareCode !== undefined && firmwareVariables !== undefined ? [[firmwareCode, firmwareVariables] as const] : OVMF;
  for (const [code, variables] of given) {
    const there = await Promise.all([access(code), access(variables)]).then(
      () => true,
      () => false,
    );
    if (there) return { code, variables };
  }
  return undefined;
}

export function capabilitiesOf(installed: Installed, options: QemuOptions, facets: readonly FacetName[]): Capabilities {
  return {
    facets,
    machines: ['pc', 'q35'],
    firmware: installed.firmware === undefined ? ['bios'] : ['bios', 'uefi'],
    diskBuses: ['virtio-blk', 'virtio-scsi', 'ide'],
    video: ['std', 'virtio', 'none'],
    nics: ['user', ...(options.nics ?? [])],
    displays: ['rfb', 'serial'],
    maxVcpus: Math.max(1, cpus().length) * 4,
    maxMemoryMiB: Math.floor(totalmem() / 1_048_576),
    maxVms: QEMU_LIMITS.vms,
    hotplug: ['disk', 'cd'],
    canSave: true,
    migrate: 'none',
    hasTpm: installed.hasTpm,
    hasRng: true,
    hasOneTimeSecrets: options.tcpDisplay !== undefined,
  };
}
