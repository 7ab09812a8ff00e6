/** Addresses of exports. Spec: NBD doc/uri.md. */
export function nbdUri(exportName: string, socketPath: string): string {
  return `nbd+unix:///${encodeURIComponent(exportName)}?socket=${encodeURIComponent(socketPath).replaceAll('%2F', '/')}`;
}
