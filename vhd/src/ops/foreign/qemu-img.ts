/** Running qemu-img: with a list of arguments, without a shell, and with absolute paths, which it cannot take for options. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { OperationOptions } from '../../copy/options.ts';
import { VhdError } from '../../errors.ts';
import type { ForeignFormat } from '../../formats/content.ts';
import { folderOf } from '../../storage/storage.ts';
import { alignUp, SECTOR_BYTES } from '../../units.ts';

/** What `qemu-img info --output=json` tells. */
interface QemuInfo {
  readonly 'virtual-size': number;
  readonly 'backing-filename'?: string;
  readonly 'format-specific'?: {
    readonly data?: { readonly 'data-file'?: string; readonly extents?: readonly { readonly filename?: string }[] };
  };
}

/**
 * The virtual size in whole sectors. A file that leads to others could make qemu-img read anything: it is refused.
 * Errors: UNSUPPORTED, TOOL_MISSING, TOOL_FAILED, CANCELLED.
 */
export async function foreignSize(
  source: string,
  options: OperationOptions & { readonly format: ForeignFormat },
): Promise<number> {
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

/** BOUNDED: output that is kept of qemu-img. */
const MAX_OUTPUT_BYTES: number = 1 << 20;

/** Runs qemu-img and returns what it prints. Its progress (`-p`) is passed on. Errors: TOOL_MISSING, TOOL_FAILED, CANCELLED. */
export function runQemuImg(
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
