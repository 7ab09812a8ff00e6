/** Who owns what of sign-in, for `access.on`. */
import type { ObjectLookups } from '../../platform/api/bind.ts';
import type { Auth } from '../sign-in/auth.ts';

export function authLookups(auth: Auth): ObjectLookups {
  return {
    token: async (id) => {
      const row = await auth.tokens.get(id);
      return row && { ownerId: row.user_id };
    },
    'browser-session': async (id) => {
      const row = await auth.browserSessions.get(id);
      return row && { ownerId: row.user_id };
    },
  };
}
