/**
 * The one cookie. Over TLS it is `__Host-…`: no other host or path can set or shadow it. Plain HTTP (loopback only) cannot
 * have a Secure cookie in every browser, so there it has another name.
 */
export const COOKIE = { secure: '__Host-oriel', plain: 'oriel-session' } as const;

export function cookieName(isSecure: boolean): string {
  return isSecure ? COOKIE.secure : COOKIE.plain;
}

/** The value of a cookie in the header; undefined also where it is there twice: then one of them was planted. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  const found = (header ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  return found.length === 1 ? found[0]?.slice(name.length + 1) : undefined;
}

/** SameSite=Strict: the pages are static and need no cookie; their own requests carry it. */
export function setCookie(isSecure: boolean, value: string, maxAgeSeconds: number): string {
  return `${cookieName(isSecure)}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}

export function clearCookie(isSecure: boolean): string {
  return setCookie(isSecure, '', 0);
}

/** The device's own cookie (`Devices`): it proves nothing, and outlives the sign-in. */
export function deviceCookieName(isSecure: boolean): string {
  return isSecure ? '__Host-oriel-device' : 'oriel-device';
}

export function deviceCookie(isSecure: boolean, value: string): string {
  return `${deviceCookieName(isSecure)}=${value}; Path=/; Max-Age=34560000; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
}

/** Ties a trip to the single sign-on to the browser that began it. Lax: it must come along when the provider sends the browser back. */
export function tripCookieName(isSecure: boolean): string {
  return isSecure ? '__Host-oriel-trip' : 'oriel-trip';
}

export function tripCookie(isSecure: boolean, value: string): string {
  return `${tripCookieName(isSecure)}=${value}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
}
