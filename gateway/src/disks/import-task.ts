/** Importing a file into the library, as a task that goes on with the disk service's own after a restart. */
import { lstatSync } from 'node:fs';
import path from 'node:path';
import type { DiskServiceClient } from '@oriel/vhd';
import type { ImageImport } from '../../shared/disk.ts';
import type { Task } from '../../shared/task.ts';
import { GatewayError } from '../errors.ts';
import type { TaskKind, Tasks } from '../tasks/tasks.ts';
import { asking } from './errors.ts';
import type { Library } from './library.ts';

interface ImportPayload {
  readonly name: string;
  readonly file: string;
  readonly kind: 'image' | 'template';
  /** The disk service's own task, once it has begun. */
  readonly serviceTask?: string;
}

export interface ImportDeps {
  readonly client: DiskServiceClient;
  readonly library: Library;
  readonly importFolder: string;
}

export function importKind({ client, library, importFolder }: ImportDeps): TaskKind<ImportPayload> {
  return {
    kind: 'image.import',
    canCancel: true,
    onRestart: 'resume',
    run: async (payload, { signal, progress, save }) => {
      const what = `file ${payload.file}`;
      const begun = payload.serviceTask ?? (await begin(payload));
      await save({ ...payload, serviceTask: begun });
      const done = await asking(
        what,
        client.waitForTask(begun, { signal, onProgress: (task) => progress(task.progress ?? undefined, 'copying') }),
      );
      const id = done.result?.['id'];
      if (typeof id === 'string') await library.publish(id);
    },
    abandon: async ({ serviceTask }) => {
      if (serviceTask !== undefined) await client.cancelTask({ id: serviceTask }).catch(() => undefined);
    },
  };

  async function begin({ name, file, kind }: ImportPayload): Promise<string> {
    const task = await asking(`file ${file}`, client.importImage({ name, path: path.join(importFolder, file), kind }));
    return task.id;
  }
}

export async function startImport(
  tasks: Tasks,
  kind: TaskKind<ImportPayload>,
  asked: ImageImport,
  importFolder: string,
  startedBy: string,
): Promise<Task> {
  // A link could lead anywhere: only a plain file of the folder itself.
  if (lstatSync(path.join(importFolder, asked.file), { throwIfNoEntry: false })?.isFile() !== true) {
    throw new GatewayError('UNPROCESSABLE', `no file ${asked.file} in the import folder`);
  }
  return await tasks.start({ kind, title: `import ${asked.file}`, startedBy, payload: asked });
}
