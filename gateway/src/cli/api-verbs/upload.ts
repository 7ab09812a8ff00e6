/** `oriel image upload`, `oriel template upload` and `oriel disc …`: files sent to the gateway, which go on where they were cut off. */
import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { ApiError } from '../../../api/errors.ts';
import { deleteDisc, listDiscs } from '../../../api/image.ts';
import { listStorages } from '../../../api/storage.ts';
import type { Task } from '../../../api/task.ts';
import type { UploadMetadata } from '../../../api/upload.ts';
import { type PartSender, sendUpload, type UploadAsked } from '../../../api/upload-client.ts';
import { type Access, accessFor, type Cli, clientFor, clientOf, fetchWith, globals, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { bytes, table } from '../base/output.ts';
import { progressOf } from './image-work.ts';
import { waitForTask } from './task.ts';

interface Flags {
  readonly name?: string;
  readonly storage?: string;
  readonly format?: 'raw';
  readonly wait: boolean;
}

/** Adds `upload` to the command of a kind. */
export function addUpload(cli: Cli, library: Command, becomes: 'image' | 'template' | 'disc'): void {
  const isDisc = becomes === 'disc';
  const command = library
    .command('upload')
    .description(
      isDisc
        ? 'send a disc image (ISO) to the gateway'
        : 'send a VHD, VHDX, VMDK, VDI, qcow2 or raw file to the gateway; a disc image (ISO) goes to the discs',
    )
    .argument('<file>')
    .option('--name <name>', isDisc ? 'what the disc is called' : 'what it is called in the library')
    .option('--storage <storage>', 'the storage that takes it; the first where not given');
  if (!isDisc) command.option('--raw', 'take any bytes as a raw disk');
  command
    .option('--no-wait', 'return when it has arrived')
    .addHelpText('after', '\nAsked again for the same file, an upload that was cut off goes on where it was.')
    .action(async (file: string, flags: Flags & { raw?: boolean }, self: Command) => {
      const access = await accessFor(cli, globals(self));
      const client = clientOf(access);
      const storageId =
        flags.storage === undefined
          ? 'main'
          : findOne('storage', await listAll(client, listStorages), flags.storage).id;
      const filename = isDisc && flags.name !== undefined ? flags.name : path.basename(file);
      const metadata: UploadMetadata = {
        filename,
        becomes: becomes === 'image' ? 'auto' : becomes,
        ...(isDisc || flags.name === undefined ? {} : { name: flags.name }),
        ...(flags.raw === true ? { format: 'raw' as const } : {}),
      };
      const taskId = await send(cli, self, file, access, { client, storageId, metadata });
      const task = await waitForTask(cli, self, client, taskId, flags.wait);
      show(cli, self, task, (one) => doneText(one, filename));
    });
}

function doneText({ state, result, title }: Task, filename: string): string {
  if (state !== 'done') return `${title}: ${state}\n`;
  if (result?.['disc'] !== undefined) return `${filename} is a disc now, for CD drives\n`;
  return `${filename} is in the library now (${String(result?.['diskId'])})\n`;
}

/** Sends it, and gives the id of the task that takes it in. Errors: CliError, ApiError. */
async function send(
  cli: Cli,
  command: Command,
  file: string,
  access: Access,
  to: Pick<UploadAsked<Buffer>, 'client' | 'storageId' | 'metadata'>,
): Promise<string> {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.isFile() !== true) throw new CliError(`${file} is no file`, EXIT.notFound);
  const onProgress = progressOf(cli, command, `upload ${to.metadata.filename}`);
  const handle = await open(file, 'r');
  try {
    const slice = async (from: number, until: number): Promise<Buffer> => {
      const part = Buffer.alloc(until - from);
      const { bytesRead } = await handle.read(part, 0, part.byteLength, from);
      if (bytesRead !== part.byteLength) throw new CliError(`${file} became shorter meanwhile`);
      return part;
    };
    const taskId = await sendUpload<Buffer>({
      ...to,
      source: { sizeBytes: found.size, modifiedMs: found.mtimeMs, slice },
      sender: senderTo(access),
      onProgress: (sent) => onProgress(sent, found.size),
    });
    return taskId ?? '';
  } catch (cause) {
    if (cause instanceof ApiError || cause instanceof CliError) throw cause;
    throw new CliError(`${file} was not uploaded: ${(cause as Error).message}`, EXIT.unreachable, { cause });
  } finally {
    await handle.close();
  }
}

function senderTo(access: Access): PartSender<Buffer> {
  const fetch = fetchWith(access);
  return {
    send: async (method, url, headers, body) => {
      const init = { method, headers: { ...headers, authorization: `Bearer ${access.token}` } };
      const answer = await fetch(url, body === undefined ? init : { ...init, body });
      return { status: answer.status, header: (name) => answer.headers.get(name), text: await answer.text() };
    },
    pause: sleep,
    base64: (text) => Buffer.from(text).toString('base64'),
  };
}

export function discCommand(cli: Cli): Command {
  const disc = new Command('disc').description('disc images, for the CD drives of VMs');
  disc
    .command('list')
    .alias('ls')
    .description('list the discs')
    .action(async (_: unknown, command: Command) => {
      const { items } = await (await clientFor(cli, command)).call(listDiscs, {});
      show(cli, command, items, (rows) =>
        table(
          rows,
          [
            { title: 'name', value: (row) => row.name },
            { title: 'size', value: (row) => bytes(row.sizeBytes), isRight: true },
            { title: 'since', value: (row) => row.modifiedAt },
          ],
          cli.terminal.columns,
        ),
      );
    });
  disc
    .command('delete')
    .alias('rm')
    .description('delete a disc that is in no drive')
    .argument('<disc>', 'its name')
    .action(async (name: string, _: unknown, command: Command) => {
      await (await clientFor(cli, command)).call(deleteDisc, { params: { discName: name } });
      show(cli, command, { name }, () => `deleted disc ${name}\n`);
    });
  addUpload(cli, disc, 'disc');
  return disc;
}
