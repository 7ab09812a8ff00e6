/**
 * Builds the browser code into gateway/dist/web, which the gateway serves as static files. Nothing is inlined as a data
 * URL or an inline tag, so that `script-src 'self'; style-src 'self'; font-src 'self'` holds.
 */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const gateway = process.env['ORIEL_DEV_GATEWAY'];

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
  },
  // `npx vite gateway/web` with ORIEL_DEV_GATEWAY=http://127.0.0.1:PORT serves the sources against a running gateway.
  ...(gateway ? { server: { proxy: { '/api': gateway, '/ws': { target: gateway, ws: true } } } } : {}),
});
