/** Every route that the gateway describes: what the matrix, the fuzzing and the coverage test are drawn from. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Right, ROLE_RIGHTS, type Role } from '../../gateway/api/rights.ts';
import type { ObjectKind, Route } from '../../gateway/api/route.ts';

const API = fileURLToPath(new URL('../../gateway/api', import.meta.url));

function isRoute(value: unknown): value is Route {
  return typeof value === 'object' && value !== null && 'method' in value && 'path' in value && 'access' in value;
}

/** Whatever is exported there and is a route: nobody has to remember to add a new one. */
async function routesIn(folder: string): Promise<readonly Route[]> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  const modules = await Promise.all(
    files.map((file) => import(path.join(folder, file)) as Promise<Record<string, unknown>>),
  );
  return modules.flatMap((module) => Object.values(module).filter(isRoute));
}

export const ROUTES: readonly Route[] = await routesIn(API);

/** Somebody who calls, as the test knows them: written apart from the gateway's own decision, so that the two can differ. */
export interface Caller {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined: signed in as nobody. */
  readonly roles: readonly Role[] | undefined;
  /** An API token holds only these. */
  readonly scopes?: readonly Right[];
  /** Rights by assignment, per desktop. */
  readonly desktops?: Readonly<Record<string, readonly Right[]>>;
  /** Kinds of what stands in paths that are theirs. */
  readonly owns?: readonly ObjectKind[];
}

/** What must come of it: `open` (whatever the handler says then), or refused in one of two ways. */
export type Outcome = 'open' | 'sign in' | 'refused';

const IMPLIED: Partial<Record<Right, readonly Right[]>> = {
  open: ['history', 'view', 'see'],
  history: ['view', 'see'],
  view: ['see'],
  power: ['see'],
  manage: ['power', 'see'],
  backup: ['see'],
  restore: ['see'],
};
const holds = (rights: readonly Right[], right: Right): boolean =>
  rights.some((held) => held === right || (IMPLIED[held] ?? []).includes(right));

/** Does the caller hold the right everywhere, or on that desktop, within the scopes of their token? */
export function holdsThere(caller: Caller, right: Right, desktopId: string | undefined): boolean {
  if (caller.scopes !== undefined && !holds(caller.scopes, right)) return false;
  if ((caller.roles ?? []).some((role) => holds(ROLE_RIGHTS[role], right))) return true;
  return desktopId !== undefined && holds(caller.desktops?.[desktopId] ?? [], right);
}

/** `desktopId` is the desktop that the object named in the path belongs to, where it does. */
export function expected(route: Route, caller: Caller, desktopId: string | undefined): Outcome {
  const { access } = route;
  if (access === 'public') return 'open';
  if (caller.roles === undefined) return 'sign in';
  if (caller.scopes !== undefined && route.noToken === true) return 'refused';
  if (access === 'signed-in') return 'open';
  if (holdsThere(caller, access.right, 'on' in access ? desktopId : undefined)) return 'open';
  if (!('on' in access)) return 'refused';
  if (access.owner === true && caller.owns?.includes(access.on) === true) return 'open';
  return 'refused';
}
