/** Every route that the gateway describes: what the matrix, the fuzzing and the coverage test are drawn from. */
import { getDescription, getDescriptionPage } from '../../gateway/shared/api.ts';
import { auditRoutes } from '../../gateway/shared/audit.ts';
import { authRoutes } from '../../gateway/shared/auth.ts';
import { desktopRoutes } from '../../gateway/shared/desktop.ts';
import { diskRoutes } from '../../gateway/shared/disk.ts';
import { eventStream } from '../../gateway/shared/events.ts';
import { hostRoutes } from '../../gateway/shared/host.ts';
import { peopleRoutes } from '../../gateway/shared/people.ts';
import { type Right, ROLE_RIGHTS, type Role } from '../../gateway/shared/rights.ts';
import type { Route } from '../../gateway/shared/route.ts';
import { sessionRoutes } from '../../gateway/shared/session.ts';
import { taskRoutes } from '../../gateway/shared/task.ts';
import { ticketRoutes } from '../../gateway/shared/ticket.ts';
import { vmRoutes } from '../../gateway/shared/vm.ts';

export const ROUTES = [
  ...authRoutes,
  ...peopleRoutes,
  ...auditRoutes,
  ...hostRoutes,
  ...vmRoutes,
  ...desktopRoutes,
  ...diskRoutes,
  ...taskRoutes,
  ...ticketRoutes,
  ...sessionRoutes,
  eventStream,
  getDescription,
  getDescriptionPage,
] as unknown as readonly Route[];

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
  /** Ids of what is theirs. */
  readonly owns?: ReadonlySet<string>;
}

/** What must come of it: `open` (whatever the handler says then), or refused in one of two ways. */
export type Outcome = 'open' | 'sign in' | 'refused';

const IMPLIED: Partial<Record<Right, readonly Right[]>> = {
  open: ['view', 'see'],
  view: ['see'],
  power: ['see'],
  manage: ['power', 'see'],
  backup: ['see'],
  restore: ['see'],
};
const holds = (rights: readonly Right[], right: Right): boolean =>
  rights.some((held) => held === right || (IMPLIED[held] ?? []).includes(right));

/** `desktopId` is the desktop that the object named in the path belongs to, where it does. */
export function expected(
  route: Route,
  caller: Caller,
  objectId: string | undefined,
  desktopId: string | undefined,
): Outcome {
  const { access } = route;
  if (access === 'public') return 'open';
  if (caller.roles === undefined) return 'sign in';
  if (caller.scopes !== undefined && route.noToken === true) return 'refused';
  if (access === 'signed-in') return 'open';
  const byRole = caller.roles.some((role) => holds(ROLE_RIGHTS[role], access.right));
  const isInScope = caller.scopes === undefined || holds(caller.scopes, access.right);
  if (byRole && isInScope) return 'open';
  if (!('on' in access)) return 'refused';
  if (desktopId !== undefined && isInScope && holds(caller.desktops?.[desktopId] ?? [], access.right)) return 'open';
  if (access.owner === true && objectId !== undefined && caller.owns?.has(objectId) === true) return 'open';
  return 'refused';
}
