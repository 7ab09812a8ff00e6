/** Whether a caller may use a route. Pure but for the lookup of the object. */
import type { Route } from '../../../api/route.ts';
import { GatewayError } from '../../errors.ts';
import type { ObjectLookups } from '../../platform/api/bind.ts';
import { requireProof } from '../../platform/rights/proof.ts';
import { can, canSee, isOwn, type Principal } from '../../platform/rights/rights.ts';

/**
 * Throws NOT_SIGNED_IN, FORBIDDEN, or NOT_FOUND where the caller may not even know that the object exists.
 * `params` are the path's, already checked.
 */
export async function checkAccess(
  route: Route,
  principal: Principal | undefined,
  params: Readonly<Record<string, unknown>>,
  lookups: ObjectLookups,
  now: number,
): Promise<void> {
  const { access } = route;
  if (access === 'public') return;
  if (principal === undefined) throw new GatewayError('NOT_SIGNED_IN', 'sign in, or send an API token');
  if (route.noToken === true && principal.via.kind === 'token') {
    throw new GatewayError('FORBIDDEN', 'an API token cannot do this: sign in');
  }
  if (route.fresh === true) requireProof(principal, now);
  if (access === 'signed-in') return;
  if (!('on' in access)) {
    if (!can(principal, access.right)) throw new GatewayError('FORBIDDEN', `this needs the right "${access.right}"`);
    return;
  }
  const lookup = lookups[access.on];
  if (lookup === undefined) throw new GatewayError('INTERNAL', `nothing looks up the ${access.on} of ${route.id}`);
  const id = String(params[access.by]);
  const facts = await lookup(id);
  if (
    facts !== undefined &&
    (can(principal, access.right, facts) || (access.owner === true && isOwn(principal, facts)))
  )
    return;
  if (facts === undefined || !canSee(principal, facts))
    throw new GatewayError('NOT_FOUND', `there is no ${access.on} ${id}`);
  throw new GatewayError('FORBIDDEN', `this needs the right "${access.right}" on ${access.on} ${id}`);
}
