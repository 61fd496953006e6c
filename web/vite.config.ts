// Build of the page. `base: './'` keeps every address relative, so the page works behind a path
// prefix; nothing is inlined into the HTML, so `script-src 'self'` is enough. `npm run dev` answers
// api/ from mock/ unless VIRTSCOPE names a server.
import { defineConfig } from 'vitest/config';
import { mockPlugin } from './mock/plugin';

const server = process.env['VIRTSCOPE'];

export default defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  plugins: server ? [] : [mockPlugin()],
  server: {
    host: '127.0.0.1',
    proxy: server ? { '/api': { target: server, changeOrigin: true } } : {},
  },
  preview: { host: '127.0.0.1' },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2021',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      output: {
        entryFileNames: 'assets/page-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
  test: { environment: 'node', include: ['tests/unit/**/*.test.ts', 'src/**/*.test.{ts,tsx}'] },
});
