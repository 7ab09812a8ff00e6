/** The API of VMs. */
import type { SessionRules } from '../../../api/session-rules.ts';
import {
  createVm,
  deleteVm,
  editVm,
  getVm,
  getVmLog,
  getVmSerialLog,
  listVms,
  pauseVm,
  resetVm,
  resumeVm,
  saveVm,
  startVm,
  stopVm,
  type Vm,
} from '../../../api/vm.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import { can, type Principal } from '../../platform/rights/rights.ts';
import { pageByName } from '../../platform/store/page.ts';
import { needsOfCreate, needsOfEdit, requireNeeds } from './reach.ts';
import type { Vms } from './vms.ts';

const versionOf = (vm: Vm): string => `${vm.revision}-${vm.state}`;

/** Throws FORBIDDEN where somebody may not lay down such rules for the sessions on a VM. */
export type RulesGuard = (principal: Principal, before: SessionRules, after: SessionRules) => Promise<void>;

export function vmRoutes(vms: Vms, requireRules: RulesGuard): BoundRoute[] {
  return [
    bind(listVms, async ({ query, principal }) => {
      const mine = (await vms.list()).filter(
        (vm) =>
          can(principal, 'see', { desktopId: vm.id }) &&
          (query.state === undefined || vm.state === query.state) &&
          (query.host === undefined || vm.hostId === query.host) &&
          (query.name === undefined || vm.name === query.name),
      );
      return pageByName(mine, query);
    }),
    bind(getVm, async ({ params, etag }) => {
      const vm = await vms.get(params.vmId);
      etag(versionOf(vm));
      return vm;
    }),
    bind(createVm, async ({ body, principal, note, header }) => {
      requireNeeds(principal, needsOfCreate(body));
      await requireRules(principal, {}, body.sessionRules);
      const vm = await vms.create(body, principal.userId);
      note({ vm: vm.id, name: vm.name });
      header('Location', `/api/v1/vms/${vm.id}`);
      return vm;
    }),
    bind(editVm, async ({ params, body, ifMatch, incoming, note, principal }) => {
      const before = await vms.get(params.vmId);
      const { hardware, cdImageId } = before;
      const diskIds = before.disks.map(({ diskId }) => diskId);
      requireNeeds(principal, needsOfEdit({ hardware, cdImageId, diskIds }, body));
      if (body.sessionRules !== undefined) await requireRules(principal, before.sessionRules, body.sessionRules);
      // The state is in the ETag so that no stale one is shown; an edit can only lose a race about the rest.
      const seen = new RegExp(`^"(${before.revision}-[a-z]+)"$`).exec(incoming.headers['if-match'] ?? '');
      ifMatch(seen?.[1] ?? versionOf(before));
      note({ name: before.name, fields: Object.keys(body) });
      return await vms.edit(params.vmId, body);
    }),
    bind(deleteVm, async ({ params, query, note }) => {
      note({ name: (await vms.get(params.vmId)).name, disks: query.disks });
      return await vms.delete(params.vmId, query.disks);
    }),
    bind(startVm, async ({ params }) => await vms.start(params.vmId)),
    bind(stopVm, async ({ params, body, note }) => {
      note({ force: body.force });
      return await vms.stop(params.vmId, body.force);
    }),
    bind(resetVm, async ({ params }) => await vms.reset(params.vmId)),
    bind(pauseVm, async ({ params }) => await vms.pause(params.vmId)),
    bind(resumeVm, async ({ params }) => await vms.resume(params.vmId)),
    bind(saveVm, async ({ params }) => await vms.save(params.vmId)),
    bind(getVmLog, async ({ params }) => ({ items: await vms.log(params.vmId) })),
    bind(getVmSerialLog, async ({ params, query }) => ({ text: await vms.serialLog(params.vmId, query.lines) })),
  ];
}
