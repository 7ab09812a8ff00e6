/** All routes of sign-in, accounts and people. */
import type { BoundRoute } from '../../platform/api/bind.ts';
import type { Auth } from '../sign-in/auth.ts';
import { accountRoutes } from './account-routes.ts';
import { type PeopleDeps, peopleRoutes } from './people-routes.ts';
import { signInRoutes } from './sign-in-routes.ts';

export { authLookups } from './lookups.ts';

export function authRoutes(auth: Auth, deps: PeopleDeps = {}): BoundRoute[] {
  return [...signInRoutes(auth), ...accountRoutes(auth), ...peopleRoutes(auth, deps)];
}
