/** What is served beside the API, to somebody who comes through a proxy: from this machine alone one may see more. */
import type { Said } from './said.ts';
import type { World } from './world.ts';

export async function shownTo({ gateway, callers }: World, path: string): Promise<Map<string, Said>> {
  const all = callers.map(async ({ name, headers }) => {
    const answer = await fetch(gateway.origin + path, { headers: { ...headers, 'x-forwarded-for': '192.0.2.1' } });
    await answer.arrayBuffer();
    const said: Said = answer.ok
      ? { kind: 'obtained', fields: ['the page'], things: [] }
      : { kind: 'refused', how: `refused (${answer.status})` };
    return [name, said] as const;
  });
  return new Map(await Promise.all(all));
}
