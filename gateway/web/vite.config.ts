/**
 * Builds the browser code into gateway/dist/web, which the gateway serves as static files. Nothing is inlined as a data
 * URL or an inline tag, so that `script-src 'self'; style-src 'self'; font-src 'self'` holds.
 */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const gateway = process.env['ORIEL_DEV_GATEWAY'];

/** What sign-in and the desktops need. The rest of PatternFly comes with the first page that uses it. */
function isInitial(id: string): boolean {
  return /gateway[\\/]api[\\/]|web[\\/]src[\\/](api|shell|sign-in|portal)[\\/]/.test(id) && !LATER.test(id);
}
const LATER =
  /shell[\\/](data-table|paged-table|row-menu|form-dialog|select-field|text-field|list-page|fact|use-action|format)\./;

/** A handful of files instead of one for each module that two pages share: over HTTP/1.1 every file costs a turn. */
const CHUNKS = [
  {
    name: 'framework',
    test: /node_modules[\\/](react|react-dom|scheduler|react-router|@tanstack|zod)[\\/]/,
    priority: 3,
  },
  { name: 'start', test: isInitial, priority: 2 },
  { name: 'console', test: /@patternfly[\\/]/, minShareCount: 2, priority: 1 },
];

export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  plugins: [react()],
  resolve: { conditions: ['oriel-source', 'module', 'browser', 'development|production'] },
  build: {
    outDir: '../dist/web',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 800,
    rolldownOptions: { output: { codeSplitting: { groups: CHUNKS } } },
  },
  // `npx vite gateway/web` with ORIEL_DEV_GATEWAY=http://127.0.0.1:PORT serves the sources against a running gateway.
  ...(gateway ? { server: { proxy: { '/api': gateway, '/ws': { target: gateway, ws: true } } } } : {}),
});
