/** Reading whole lists, and finding one thing by what a person calls it: its id, its name, or the start of its id. */
import type { z } from 'zod';
import type { CallInput, Client } from '../../../api/client.ts';
import type { Route } from '../../../api/route.ts';
import { listVms, type Vm } from '../../../api/vm.ts';
import { CliError, EXIT } from './exit.ts';

interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}

/** Every page of a list; `seen` hears of what a page says beside its items. */
export async function listAll<T, Q extends z.ZodType, P extends Page<T> = Page<T>>(
  client: Client,
  route: Route<z.ZodUndefined, Q, z.ZodUndefined, z.ZodType<P & Page<T>>>,
  query: Readonly<Record<string, unknown>> = {},
  seen: (page: P) => void = () => undefined,
): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  do {
    const input = { query: { limit: 500, cursor, ...query } } as unknown as CallInput<
      z.ZodUndefined,
      Q,
      z.ZodUndefined
    >;
    const page = await client.call(route, input);
    seen(page);
    all.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined);
  return all;
}

export interface Named {
  readonly id: string;
  readonly name: string;
}

/** The one that is meant. An exact id or name wins; then an id that starts so, if there is only one. */
export function findOne<T extends Named>(kind: string, items: readonly T[], called: string): T {
  const exact = items.filter((item) => item.id === called);
  const named = exact.length === 0 ? items.filter((item) => item.name === called) : exact;
  const started = named.length === 0 && 4 <= called.length ? items.filter((item) => item.id.startsWith(called)) : named;
  const [only, another] = started;
  if (only === undefined) throw new CliError(`no ${kind} ${called}`, EXIT.notFound);
  if (another !== undefined)
    throw new CliError(`${called} is several ${kind}s: ${started.map((item) => item.id).join(', ')}`, EXIT.usage);
  return only;
}

export async function findVm(client: Client, called: string): Promise<Vm> {
  return findOne('VM', await listAll(client, listVms), called);
}
