/** The API of desktops. */
import { getDesktop, getThumbnail, listDesktops } from '../../../api/desktop.ts';
import { GatewayError } from '../../errors.ts';
import { type BoundRoute, bind, bindRaw } from '../../platform/api/bind.ts';
import { pageByName } from '../../platform/store/page.ts';
import type { Desktops } from './desktops.ts';
import type { Thumbnails } from './thumbnails.ts';

export function desktopRoutes(desktops: Desktops, thumbnails: Thumbnails): BoundRoute[] {
  return [
    bind(listDesktops, async ({ query, principal }) => pageByName(await desktops.list(principal), query)),
    bind(getDesktop, async ({ params, principal }) => await desktops.get(principal, params.desktopId)),
    bindRaw(getThumbnail, async ({ params, principal, incoming }, response) => {
      const facts = await desktops.describe(params.desktopId);
      if (facts?.isOn !== true) {
        const is = facts === undefined ? 'the desktop has gone' : `desktop ${facts.name} is ${facts.state}`;
        throw new GatewayError('CONFLICT', `${is}: it has no screen now`);
      }
      const { png, etag } = await thumbnails.of(params.desktopId, principal.userId);
      const head = { etag: `"${etag}"`, 'cache-control': 'private, no-cache' };
      if (incoming.headers['if-none-match'] === head.etag) {
        response.writeHead(304, head).end();
        return;
      }
      response.writeHead(200, { ...head, 'content-type': 'image/png', 'content-length': png.byteLength }).end(png);
    }),
  ];
}
