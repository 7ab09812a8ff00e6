/** Does this browser keep a cookie of ours? Tried with one that lasts for a moment. */
export function keepsCookies(): boolean {
  try {
    document.cookie = 'oriel-probe=1; Path=/; SameSite=Strict; Max-Age=10';
    return document.cookie.includes('oriel-probe=1');
  } catch {
    return false; // A page in a sandbox has none at all.
  }
}
