/** `oriel doctor`: looks at this machine and says what to do about what it finds. */

import { X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { Command } from 'commander';
import { listNotices } from '../../../api/notice.ts';
import { type Config, parseConfig } from '../../config.ts';
import { type DataFolder, dataFolderAt, isLocked, readNote } from '../../platform/process/data-folder.ts';
import { type Cli, clientOf, show } from '../base/context.ts';
import { CliError } from '../base/exit.ts';
import { bytes, table } from '../base/output.ts';

export interface Finding {
  readonly check: string;
  /** `note`: works, but better is possible. */
  readonly result: 'ok' | 'note' | 'bad';
  readonly detail: string;
  /** What to do; empty where nothing needs to be done. */
  readonly todo: string;
}

const LOW_BYTES = 2 * 2 ** 30;
const DAY_MS = 86_400_000;

export function doctorCommand(cli: Cli): Command {
  return new Command('doctor')
    .description('check this machine: Node, QEMU, KVM, ports, storage, clock, certificates, addresses')
    .action(async (_: unknown, command: Command) => {
      const findings = [...(await examine(parseConfig(cli.env), cli.now())), await addresses(cli)];
      show(cli, command, findings, (rows) =>
        table(
          rows,
          [
            { title: '', value: (row) => row.result },
            { title: 'check', value: (row) => row.check },
            { title: 'found', value: (row) => row.detail },
            { title: 'to do', value: (row) => row.todo },
          ],
          cli.terminal.columns,
        ),
      );
      const bad = findings.filter((finding) => finding.result === 'bad');
      if (0 < bad.length) throw new CliError(`to be fixed: ${bad.map((finding) => finding.check).join(', ')}`);
    });
}

async function examine(config: Config, now: number): Promise<Finding[]> {
  const folder = dataFolderAt(config.dataFolder);
  return [
    node(),
    program('QEMU', '/usr/bin/qemu-system-x86_64', 'apt-get install qemu-system-x86', 'bad'),
    program('qemu-img', '/usr/bin/qemu-img', 'apt-get install qemu-utils: imports of other formats need it', 'note'),
    program('UEFI', '/usr/share/OVMF/OVMF_CODE_4M.fd', 'apt-get install ovmf, for VMs with UEFI', 'note'),
    program('TPM', '/usr/bin/swtpm', 'apt-get install swtpm, for VMs with a TPM', 'note'),
    kvm(folder),
    dataFolder(folder),
    space(folder),
    await port(config, folder),
    await diskService(folder),
    clock(now),
    certificate(config, folder, now),
  ];
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isOld = major < 20 || (major === 20 && minor < 19);
  return {
    check: 'Node',
    result: isOld ? 'bad' : 'ok',
    detail: process.versions.node,
    todo: isOld ? 'install Node 20.19 or newer' : '',
  };
}

function program(check: string, file: string, todo: string, without: 'bad' | 'note'): Finding {
  const isThere = existsSync(file);
  return {
    check,
    result: isThere ? 'ok' : without,
    detail: isThere ? file : 'not installed',
    todo: isThere ? '' : todo,
  };
}

/** The gateway's own probe ran a guest; without one yet only the device can be looked at. */
function kvm(folder: DataFolder): Finding {
  const slow = 'VMs run several times slower without it; use a machine with virtualization';
  const probed = probedEngine(folder);
  if (probed === 'kvm') return { check: 'KVM', result: 'ok', detail: 'a guest ran on it', todo: '' };
  if (probed !== undefined)
    return { check: 'KVM', result: 'note', detail: 'a probe guest did not run on it', todo: slow };
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return { check: 'KVM', result: 'ok', detail: '/dev/kvm can be opened; no guest has tried it yet', todo: '' };
  } catch {
    const isThere = existsSync('/dev/kvm');
    return {
      check: 'KVM',
      result: 'note',
      detail: isThere ? '/dev/kvm cannot be opened' : 'no /dev/kvm',
      todo: isThere ? 'add this account to the group kvm' : slow,
    };
  }
}

function probedEngine(folder: DataFolder): string | undefined {
  try {
    for (const name of readdirSync(folder.run)) {
      const file = path.join(folder.run, name, 'kvm-probe.json');
      if (existsSync(file)) return /"works":\s*true|"name":\s*"kvm"/.test(readFileSync(file, 'utf8')) ? 'kvm' : 'tcg';
    }
  } catch {
    // No gateway has run here yet.
  }
  return undefined;
}

function dataFolder(folder: DataFolder): Finding {
  const check = 'data folder';
  try {
    const at = existsSync(folder.root) ? folder.root : firstFolderAbove(folder.root);
    accessSync(at, constants.W_OK | constants.X_OK);
    return { check, result: 'ok', detail: folder.root, todo: '' };
  } catch {
    return {
      check,
      result: 'bad',
      detail: `${folder.root} is not writable`,
      todo: 'set ORIEL_DATA to a folder that you can write to',
    };
  }
}

function space(folder: DataFolder): Finding {
  const { bavail, bsize } = statfsSync(firstFolderAbove(folder.root));
  const free = bavail * bsize;
  const isLow = free < LOW_BYTES;
  return {
    check: 'storage',
    result: isLow ? 'bad' : 'ok',
    detail: `${bytes(free)} free`,
    todo: isLow ? 'free some space' : '',
  };
}

function firstFolderAbove(folder: string): string {
  return existsSync(folder) ? folder : firstFolderAbove(path.dirname(folder));
}

async function port({ listen }: Config, folder: DataFolder): Promise<Finding> {
  const where = `${listen.host}:${listen.port}`;
  const note = existsSync(folder.root) && (await isLocked(folder)) ? readNote(folder) : undefined;
  if (note !== undefined) return { check: 'port', result: 'ok', detail: `the gateway is at ${note.origin}`, todo: '' };
  const code = await new Promise<string | undefined>((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    server.listen(listen.port, listen.host, () => server.close(() => resolve(undefined)));
  });
  if (code === undefined) return { check: 'port', result: 'ok', detail: `${where} is free`, todo: '' };
  const detail = code === 'EADDRINUSE' ? `${where} is taken` : `${where} cannot be used (${code})`;
  return { check: 'port', result: 'bad', detail, todo: 'set ORIEL_LISTEN to another address' };
}

async function diskService(folder: DataFolder): Promise<Finding> {
  const { connectDiskService } = await import('@oriel/vhd');
  const client = connectDiskService(folder.diskSocket);
  const health = await client.health().catch(() => undefined);
  client.disconnect();
  const detail = health === undefined ? 'does not run; oriel start starts it' : `runs, ${health.openDisks} disks open`;
  return { check: 'disk service', result: 'ok', detail, todo: '' };
}

/** What the gateway that runs here has seen: people who come by an address that it was not told. */
async function addresses(cli: Cli): Promise<Finding> {
  const check = 'addresses';
  const access = await cli.localAccess(cli.env);
  if (access === undefined) return { check, result: 'ok', detail: 'no gateway runs to ask', todo: '' };
  const { items } = await clientOf(access).call(listNotices, {});
  const [newest] = items;
  if (newest === undefined) return { check, result: 'ok', detail: 'nobody came by an unknown one', todo: '' };
  const detail = `pages at ${items.map(({ origin }) => origin).join(', ')} were refused`;
  const todo = `if people reach the gateway there, start it with ORIEL_ORIGIN=${newest.origin}`;
  return { check, result: 'note', detail, todo };
}

/** Certificates, one-time codes and the audit log need the time; a clock before this program was written is wrong. */
function clock(now: number): Finding {
  const isWrong = now < Date.parse('2026-01-01T00:00:00Z');
  return {
    check: 'clock',
    result: isWrong ? 'bad' : 'ok',
    detail: new Date(now).toISOString(),
    todo: isWrong ? 'set the clock, or run an NTP client' : '',
  };
}

function certificate(config: Config, folder: DataFolder, now: number): Finding {
  const check = 'certificate';
  if (!config.tls.isOn) return { check, result: 'ok', detail: 'plain HTTP on this machine only', todo: '' };
  const file = config.tls.certFile ?? path.join(folder.root, 'tls', 'cert.pem');
  try {
    const { validTo } = new X509Certificate(readFileSync(file));
    const days = Math.floor((Date.parse(validTo) - now) / DAY_MS);
    const result = days < 0 ? 'bad' : days < 30 ? 'note' : 'ok';
    return { check, result, detail: `valid for ${days} days`, todo: result === 'ok' ? '' : `renew ${file}` };
  } catch {
    const isOwn = config.tls.certFile !== undefined;
    return {
      check,
      result: isOwn ? 'bad' : 'ok',
      detail: isOwn ? `${file} cannot be read` : 'a self-signed one is made at the first start',
      todo: isOwn ? 'check ORIEL_TLS_CERT' : '',
    };
  }
}
