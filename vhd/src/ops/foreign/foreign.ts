/**
 * Formats that qemu-img knows and we do not: qcow2, VMDK, VHDX and more. qemu-img never sees a VHD file, only our NBD
 * export of the disk, so a chain converts correctly. It is started with a list of arguments, without a shell, and with
 * absolute paths, which it cannot take for options or protocols.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openChain } from '../../chain/open.ts';
import type { OperationOptions } from '../../copy/options.ts';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import { fileSystem, folderOf } from '../../storage/storage.ts';
import { temporaryName } from '../../storage/temporary.ts';
import { alignUp, SECTOR_BYTES } from '../../units.ts';
import { createImage } from '../create.ts';

/** The formats that are passed on to qemu-img. */
export type ForeignFormat = 'qcow2' | 'vmdk' | 'vhdx' | 'vdi' | 'qcow';

/** Their names. */
export const FOREIGN_FORMATS: readonly ForeignFormat[] = ['qcow2', 'vmdk', 'vhdx', 'vdi', 'qcow'];

/** Serves a disk over NBD on a socket: `serveNbd`, handed in, since operations do not know the server. */
export type ServeDisk = (disk: Disk, socketPath: string) => Promise<{ readonly uri: string; close(): Promise<void> }>;

/** How a conversion through qemu-img is done. */
export interface ForeignOptions extends OperationOptions {
  readonly format: ForeignFormat;
  readonly serve: ServeDisk;
  readonly isReplacing?: boolean;
}

/** Writes the content of a disk into a file of another format. Errors: EXISTS, TOOL_MISSING, TOOL_FAILED, CANCELLED. */
export async function convertToForeign(source: Disk, target: string, options: ForeignOptions): Promise<void> {
  if (options.isReplacing !== true && fs.existsSync(target)) throw new VhdError('EXISTS', `${target} is there already`);
  const temporary = path.resolve(temporaryName(target));
  try {
    await withServed(source, options.serve, (uri) =>
      runQemuImg(['convert', '-p', '-f', 'raw', '-O', options.format, '--', uri, temporary], source.sizeBytes, options),
    );
    await syncFile(temporary);
    fs.renameSync(temporary, target);
    await fileSystem.syncFolder(folderOf(target));
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/**
 * Writes the content of a file of another format into a new dynamic image at `target`, which must not be there.
 * Errors: UNSUPPORTED (the file takes data from other files), TOOL_MISSING, TOOL_FAILED, CANCELLED, NO_SPACE.
 */
export async function convertFromForeign(
  source: string,
  target: string,
  options: ForeignOptions & { readonly blockBytes?: number },
): Promise<void> {
  const sizeBytes = await foreignSize(source, options);
  const { blockBytes } = options;
  await createImage(target, { sizeBytes, ...(blockBytes === undefined ? {} : { blockBytes }) });
  try {
    const disk = await openChain(target, { isReadOnly: false });
    try {
      await withServed(disk, options.serve, (uri) =>
        runQemuImg(
          [
            'convert',
            '-p',
            '-n',
            '--target-is-zero',
            '-f',
            options.format,
            '-O',
            'raw',
            '--',
            path.resolve(source),
            uri,
          ],
          sizeBytes,
          options,
        ),
      );
      await disk.flush();
    } finally {
      await disk.close();
    }
  } catch (error) {
    fs.rmSync(target, { force: true });
    throw error;
  }
}

/** What `qemu-img info --output=json` tells. */
interface QemuInfo {
  readonly 'virtual-size': number;
  readonly 'backing-filename'?: string;
  readonly 'format-specific'?: {
    readonly data?: { readonly 'data-file'?: string; readonly extents?: readonly { readonly filename?: string }[] };
  };
}

/** The virtual size in whole sectors. A file that leads to others could make qemu-img read anything: it is refused. */
async function foreignSize(source: string, options: ForeignOptions): Promise<number> {
  const file = path.resolve(source);
  const text = await runQemuImg(['info', '--output=json', '-f', options.format, '--', file], undefined, options);
  const info = JSON.parse(text) as QemuInfo;
  const data = info['format-specific']?.data;
  const others = [
    info['backing-filename'],
    data?.['data-file'],
    ...(data?.extents ?? []).map((extent) => extent.filename),
  ];
  const other = others.find((name) => name !== undefined && path.resolve(folderOf(file), name) !== file);
  if (other !== undefined)
    throw new VhdError('UNSUPPORTED', `${source} takes data from another file, ${other}: flatten it first`);
  return alignUp(info['virtual-size'], SECTOR_BYTES);
}

async function withServed(disk: Disk, serve: ServeDisk, work: (uri: string) => Promise<unknown>): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-nbd-'));
  try {
    const served = await serve(disk, path.join(folder, 'nbd'));
    try {
      await work(served.uri);
    } finally {
      await served.close();
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Output that is kept of qemu-img. */
const MAX_OUTPUT_BYTES: number = 1 << 20;

/** Runs qemu-img and returns what it prints. Its progress (`-p`) is passed on. Errors: TOOL_MISSING, TOOL_FAILED, CANCELLED. */
function runQemuImg(
  args: readonly string[],
  totalBytes: number | undefined,
  { signal, onProgress }: OperationOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-img', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let complaint = '';
    const stop = (): boolean => child.kill();
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted === true) stop();
    child.stdout.on('data', (chunk: Buffer) => {
      const share = /\(([\d.]+)\/100%\)/.exec(chunk.toString())?.[1];
      if (share !== undefined && totalBytes !== undefined)
        onProgress?.({ doneBytes: Math.floor((Number(share) / 100) * totalBytes), totalBytes });
      output = (output + chunk.toString()).slice(-MAX_OUTPUT_BYTES);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4096);
    });
    child.on('error', (cause) =>
      reject(new VhdError('TOOL_MISSING', 'cannot start qemu-img: is qemu-utils installed?', { cause })),
    );
    child.on('close', (status) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted === true) reject(new VhdError('CANCELLED', 'stopped by the caller'));
      else if (status === 0) resolve(output);
      else
        reject(
          new VhdError(
            'TOOL_FAILED',
            `qemu-img ended with ${status ?? 'a signal'}: ${complaint.trim().replaceAll('\n', '; ')}`,
          ),
        );
    });
  });
}

async function syncFile(name: string): Promise<void> {
  const handle = await fs.promises.open(name, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
