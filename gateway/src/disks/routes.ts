/** The API of the library. */
import { createDisk, deleteDisk, getDisk, importImage, listDisks, listSnapshots, sealDisk } from '../../shared/disk.ts';
import { type BoundRoute, bind } from '../http/bind.ts';
import { pageByName } from '../store/page.ts';
import type { Tasks } from '../tasks/tasks.ts';
import { type ImportDeps, importKind, startImport } from './import-task.ts';
import type { Library } from './library.ts';

export interface DiskRouteDeps extends ImportDeps {
  readonly library: Library;
  readonly tasks: Tasks;
}

export function diskRoutes(deps: DiskRouteDeps): BoundRoute[] {
  const { library, tasks } = deps;
  const importing = importKind(deps);
  tasks.register(importing);
  return [
    bind(listDisks, async ({ query }) => {
      const all = await library.list(query.kind);
      return pageByName(query.vm === undefined ? all : all.filter((disk) => disk.vm?.id === query.vm), query);
    }),
    bind(getDisk, async ({ params }) => await library.get(params.diskId)),
    bind(createDisk, async ({ body, note, header }) => {
      const disk = await library.create(body.name, body.source);
      note({ disk: disk.id, name: disk.name });
      header('Location', `/api/v1/disks/${disk.id}`);
      return disk;
    }),
    bind(deleteDisk, async ({ params }) => {
      await library.delete(params.diskId);
      return undefined;
    }),
    bind(importImage, async ({ body, principal, note }) => {
      note({ file: body.file, name: body.name });
      return await startImport(tasks, importing, body, deps.importFolder, principal.userId);
    }),
    bind(sealDisk, async ({ params }) => await library.seal(params.diskId)),
    bind(listSnapshots, async ({ params }) => ({ items: await library.snapshots(params.diskId) })),
  ];
}
