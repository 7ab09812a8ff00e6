/** The API of hosts. */
import { createHost, deleteHost, editHost, getHost, listHosts } from '../../../api/host.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import { pageByName } from '../../platform/store/page.ts';
import type { Hosts } from './hosts.ts';

export function hostRoutes(hosts: Hosts): BoundRoute[] {
  return [
    bind(listHosts, async ({ query }) => pageByName(hosts.list(), query)),
    bind(getHost, async ({ params, etag }) => {
      const host = hosts.get(params.hostId);
      etag(host.revision);
      return host;
    }),
    bind(createHost, async ({ body, note, header }) => {
      const host = await hosts.create(body);
      note({ host: host.id, name: host.name });
      header('Location', `/api/v1/hosts/${host.id}`);
      return host;
    }),
    bind(editHost, async ({ params, body, ifMatch, etag }) => {
      ifMatch(hosts.get(params.hostId).revision);
      const host = await hosts.edit(params.hostId, body);
      etag(host.revision);
      return host;
    }),
    bind(deleteHost, async ({ params }) => {
      await hosts.remove(params.hostId);
      return undefined;
    }),
  ];
}
