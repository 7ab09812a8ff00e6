/** The routes of the console. */
import type { Me } from '../../../shared/auth.ts';
export function ConsoleRoutes({ me }: { readonly me: Me }) {
  return <p>{me.name}</p>;
}
