/** What whoever runs the gateway should know of it, and can mend. */
import { z } from 'zod';
import { route } from './route.ts';

export const Notice = z.discriminatedUnion('kind', [
  /**
   * Pages at this address were refused (WRONG_ORIGIN), and the browser took them for the gateway's own: people come by an
   * address that is not named in ORIEL_ORIGIN. `origin` is what the request said, by whoever sent it.
   */
  z.object({
    kind: z.literal('unknown-origin'),
    origin: z.string(),
    times: z.number().int(),
    lastAt: z.iso.datetime(),
  }),
]);
export type Notice = z.infer<typeof Notice>;

export const listNotices = route({
  id: 'notice.list',
  method: 'get',
  path: '/notices',
  summary: 'What is not as it should be with this gateway, since it started, and can be mended',
  access: { right: 'settings' },
  reply: z.object({ items: z.array(Notice) }),
});
