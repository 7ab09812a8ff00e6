/** A template of the demos, brought into the library once: what an earlier, cut off run began is followed to its end. */
import type { DiskServiceClient, TaskInfo } from '@oriel/vhd';

export interface DemoTemplate {
  readonly id: string;
  readonly name: string;
}

/** `build` gives the file to import; it is called only where nothing is there and nothing is under way. */
export async function ensureTemplate(
  client: DiskServiceClient,
  { id, name }: DemoTemplate,
  build: () => Promise<string>,
  options: { readonly signal: AbortSignal; readonly onProgress: (fraction: number | undefined) => void },
): Promise<void> {
  if ((await client.listImages()).some((image) => image.id === id)) return;
  const underWay = (await client.listTasks()).find((task) => task.target === id && isUnderWay(task));
  const task = underWay ?? (await client.importImage({ id, name, path: await build(), kind: 'template' }));
  const onProgress = (at: TaskInfo): void => options.onProgress(at.progress ?? undefined);
  await client.waitForTask(task.id, { signal: options.signal, onProgress });
}

const isUnderWay = ({ state }: TaskInfo): boolean => state === 'queued' || state === 'running';
