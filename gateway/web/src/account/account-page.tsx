/** My account. */
import type { Me } from '../../../shared/auth.ts';
export function AccountPage({ me }: { readonly me: Me }) {
  return <p>{me.name}</p>;
}
