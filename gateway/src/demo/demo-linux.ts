/**
 * The second demo: a small Linux, built from Debian packages on the first run, beside all else and never in its way. A task,
 * so that a person sees how far it is, and why it is not there on a machine that cannot build it.
 */
import { buildLinuxGuest } from '@oriel/hosts';
import type { DiskServiceClient } from '@oriel/vhd';
import { VmCreate } from '../../api/vm.ts';
import type { Hosts } from '../compute/hosts/hosts.ts';
import type { Vms } from '../compute/vms/vms.ts';
import type { TaskKind } from '../platform/tasks/tasks.ts';
import type { Library } from '../storage/library/library.ts';
import { LOCAL_HOST_NAME } from './demo.ts';

const TEMPLATE_ID = 'linux';

export interface LinuxDemoDeps {
  readonly client: DiskServiceClient;
  readonly library: Library;
  readonly vms: Vms;
  readonly hosts: Hosts;
  /** Where the built image is kept for other data folders of the same user. */
  readonly cacheFolder: string;
}

/** Each step looks first whether it was done before: a run that was cut off is made good by the next. */
export function linuxDemoKind(deps: LinuxDemoDeps): TaskKind<Record<string, never>> {
  const { client, library, vms, hosts, cacheFolder } = deps;
  return {
    kind: 'demo.linux',
    lane: 'compute',
    canCancel: true,
    onRestart: 'resume',
    run: async (_, { signal, progress }) => {
      if (!(await client.listImages()).some((image) => image.id === TEMPLATE_ID)) {
        progress(undefined, 'building from Debian packages');
        const path = await buildLinuxGuest(cacheFolder, { signal });
        const task = await client.importImage({ id: TEMPLATE_ID, name: 'Small Linux', path, kind: 'template' });
        const onProgress = (at: { readonly progress: number | null }): void =>
          progress(at.progress ?? undefined, 'importing');
        await client.waitForTask(task.id, { signal, onProgress });
        await library.publish(TEMPLATE_ID);
      }
      if ((await vms.list()).some((vm) => vm.name === 'linux')) return;
      const hostId = hosts.list().find((host) => host.name === LOCAL_HOST_NAME)?.id;
      const asked = {
        name: 'linux',
        description: 'A small Linux with a guest agent, on a linked clone.',
        hostId,
        source: { from: 'template', templateId: TEMPLATE_ID },
        hardware: { memoryMiB: 128, nics: [{ kind: 'user' }] },
        wanted: 'running',
      };
      await vms.create(VmCreate.parse(asked));
    },
  };
}
