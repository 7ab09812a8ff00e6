/**
 * Nobody gives a right that they do not hold there: not to an account, not through a group or a link, and nobody makes, or
 * takes over, an account that may do more than they may. A token with the scope `people` stays within it.
 */
import { GatewayError } from '../../errors.ts';
import { lacking, type Principal, type Reach } from '../../platform/rights/rights.ts';

/** Throws FORBIDDEN. `what` is the beginning of a sentence that goes on with the right: `this would give`. */
export function mustHold(principal: Principal, reach: Reach, what: string): void {
  const lack = lacking(principal, reach);
  if (lack === undefined) return;
  const where = lack.desktopId === undefined ? '' : ` on desktop ${lack.desktopId}`;
  throw new GatewayError(
    'FORBIDDEN',
    `${what} the right "${lack.right}"${where}, which you do not hold there yourself`,
  );
}
