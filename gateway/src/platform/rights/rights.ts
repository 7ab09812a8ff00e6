/** Who may do what: pure decisions. The rows behind them are read in identity/people, the words are in api/rights.ts. */
import { RIGHTS, type Right, ROLE_RIGHTS, type Role } from '../../../api/rights.ts';

/** How the caller proved who they are. */
export type Via =
  /** `provedAt`: when a password or a whole sign-in last proved who sits there, ms since 1970. */
  | { readonly kind: 'browser'; readonly browserSessionId: string; readonly provedAt?: number }
  | { readonly kind: 'token'; readonly tokenId: string; readonly scopes: readonly Right[] }
  /** The gateway itself or its owner on the local socket. */
  | { readonly kind: 'local' };

/** What a principal is put together from. */
export interface PrincipalFacts {
  readonly userId: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly groupIds: readonly string[];
  readonly via: Via;
  /** Held on everything, by role; already cut down to the token's scopes. */
  readonly everywhere: ReadonlySet<Right>;
  /** Held on one desktop, by assignment to the user or a group; already cut down to the token's scopes. */
  readonly onDesktop: ReadonlyMap<string, ReadonlySet<Right>>;
}

let vouchFor: (facts: PrincipalFacts) => Principal;

/**
 * An account as it stands now, with all that decides what it may do. Made anew for each request: never keep one. Nobody
 * but `makePrincipal` can make one (the class is not exported, and nothing that is written down by hand has its private
 * member), so no right comes from anywhere but rows that were read for it.
 */
class Principal implements PrincipalFacts {
  readonly userId: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly groupIds: readonly string[];
  readonly via: Via;
  readonly everywhere: ReadonlySet<Right>;
  readonly onDesktop: ReadonlyMap<string, ReadonlySet<Right>>;
  declare protected readonly isVouchedFor: true;

  static {
    vouchFor = (facts) => new Principal(facts);
  }

  private constructor({ userId, name, roles, groupIds, via, everywhere, onDesktop }: PrincipalFacts) {
    this.userId = userId;
    this.name = name;
    this.roles = roles;
    this.groupIds = groupIds;
    this.via = via;
    this.everywhere = everywhere;
    this.onDesktop = onDesktop;
  }
}

export type { Principal };

/** What a right is asked about. */
export interface ObjectFacts {
  readonly ownerId?: string | undefined;
  readonly desktopId?: string | undefined;
  /** What the owner must still hold for it to count that it is theirs, by their scopes too where a token asks. */
  readonly ownerNeeds?: Right | undefined;
}

/** Rights on a desktop imply the lesser ones: who may open may view, who may do anything may see. */
const IMPLIES: Partial<Record<Right, readonly Right[]>> = {
  view: ['see'],
  history: ['view', 'see'],
  open: ['history', 'view', 'see'],
  power: ['see'],
  manage: ['power', 'see'],
  backup: ['see'],
  restore: ['see'],
};

export function withImplied(rights: Iterable<Right>): Set<Right> {
  const all = new Set<Right>();
  for (const right of rights) {
    all.add(right);
    for (const implied of IMPLIES[right] ?? []) all.add(implied);
  }
  return all;
}

export function rightsOfRoles(roles: readonly Role[]): Set<Right> {
  return withImplied(roles.flatMap((role) => ROLE_RIGHTS[role]));
}

/** May the principal do this to that object? Without facts: everywhere. */
export function can(principal: Principal, right: Right, on?: ObjectFacts): boolean {
  if (principal.everywhere.has(right)) return true;
  if (on?.desktopId === undefined) return false;
  return principal.onDesktop.get(on.desktopId)?.has(right) ?? false;
}

/** All that somebody may do, or that something would give: everywhere, and on single desktops. */
export type Reach = Pick<PrincipalFacts, 'everywhere' | 'onDesktop'>;

/** The reach of rights that are given on one desktop. */
export function reachOn(desktopId: string, rights: readonly Right[]): Reach {
  return { everywhere: new Set(), onDesktop: new Map([[desktopId, withImplied(rights)]]) };
}

/** A right, and the desktop where it is held; everywhere where none is named. */
export interface HeldRight {
  readonly right: Right;
  readonly desktopId?: string;
}

/**
 * The first right within `reach` that the principal does not hold there: who lacks one may neither give it, nor take over
 * or make an account, a group or a link that has it.
 */
export function lacking(principal: Principal, reach: Reach): HeldRight | undefined {
  for (const right of reach.everywhere) if (!can(principal, right)) return { right };
  for (const [desktopId, rights] of reach.onDesktop)
    for (const right of rights) if (!can(principal, right, { desktopId })) return { right, desktopId };
  return undefined;
}

/** All rights of the principal on that desktop. */
export function rightsOn(principal: Principal, desktopId: string): Set<Right> {
  return new Set([...principal.everywhere, ...(principal.onDesktop.get(desktopId) ?? [])]);
}

/** May the principal see this object at all? Its owner always may. */
export function canSee(principal: Principal, facts: ObjectFacts): boolean {
  return isOwn(principal, facts) || can(principal, 'see', facts);
}

/**
 * Whether it counts that the object is the principal's own. Of what asks its owner for no right of its own (a session, a
 * sign-in) a token counts as the owner only with the scope `open`: one for backups takes no part in sessions.
 */
export function isOwn(principal: Principal, facts: ObjectFacts): boolean {
  if (facts.ownerId === undefined || facts.ownerId !== principal.userId) return false;
  if (facts.ownerNeeds !== undefined) return can(principal, facts.ownerNeeds, facts);
  return principal.via.kind !== 'token' || withImplied(principal.via.scopes).has('open');
}

export interface AssignmentFact {
  readonly desktopId: string;
  readonly rights: readonly Right[];
}

/** Puts a principal together, for identity/people/accounts.ts, which reads the rows. A token never has more than its scopes, nor more than its user. */
export function makePrincipal(
  user: {
    readonly id: string;
    readonly name: string;
    readonly roles: readonly Role[];
    readonly groupIds: readonly string[];
  },
  assignments: readonly AssignmentFact[],
  via: Via,
): Principal {
  const scopes = via.kind === 'token' ? withImplied(via.scopes) : new Set<Right>(RIGHTS);
  const onDesktop = new Map<string, Set<Right>>();
  for (const { desktopId, rights } of assignments) {
    const held = onDesktop.get(desktopId) ?? new Set<Right>();
    for (const right of withImplied(rights)) if (scopes.has(right)) held.add(right);
    onDesktop.set(desktopId, held);
  }
  const everywhere = new Set([...rightsOfRoles(user.roles)].filter((right) => scopes.has(right)));
  const { id: userId, name, roles, groupIds } = user;
  return vouchFor({ userId, name, roles, groupIds, via, everywhere, onDesktop });
}
