/** When two names of a directory group are the same: however their letters are composed, escaped and written large. Pure. */
import { foldName } from '../../../api/text.ts';

/** Of a plain name, or of a DN (RFC 4514): `cn=J\C3\B6rg, dc=x` and `CN=Jörg,dc=x` have one key. */
export function groupKey(name: string): string {
  return foldName(unescaped(name).replaceAll(/\s*([,=])\s*/g, '$1'));
}

/** `\C3\B6` is two bytes of UTF-8 (RFC 4514, section 2.4). Bytes that are no UTF-8 stay as they are written. */
function unescaped(dn: string): string {
  return dn.replaceAll(/(?:\\[0-9A-Fa-f]{2})+/g, (escaped) => {
    const bytes = Buffer.from(escaped.replaceAll('\\', ''), 'hex');
    // A comma or another sign of the DN's own grammar stays escaped: it would read as another DN.
    if (bytes.every((byte) => byte < 0x80)) return escaped.toLowerCase();
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return escaped.toLowerCase();
    }
  });
}
