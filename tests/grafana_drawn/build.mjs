// Bundle what runs in Node and what runs in a browser: node build.mjs folder

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'esbuild';

const [, , folder] = process.argv;
const shared = {
  bundle: true,
  outdir: folder,
  logLevel: 'error',
  define: { 'process.env.NODE_ENV': '"production"' },
};
// `@grafana/data` looks for these when it is loaded.
const stands_in = `
globalThis.window ??= globalThis;
globalThis.document ??= {
  createElement: () => ({ style: {}, getContext: () => null, setAttribute() {}, appendChild() {} }),
  head: { appendChild() {} },
  addEventListener() {},
};
globalThis.navigator ??= { languages: ['en'], language: 'en' };
globalThis.localStorage ??= { getItem: () => null, setItem() {} };
globalThis.location ??= { href: 'http://grafana/', origin: 'http://grafana', search: '', pathname: '/' };
`;
await build({
  ...shared,
  entryPoints: { values: 'values.mjs' },
  platform: 'node',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);${stands_in}` },
});
if (process.argv[3] !== 'values') {
  await build({
    ...shared,
    entryPoints: { draw: 'draw.jsx' },
    platform: 'browser',
    format: 'iife',
    jsx: 'automatic',
    loader: { '.svg': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
  });
}
writeFileSync(
  join(folder, 'page.html'),
  '<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="draw.css"><body><script src="draw.js"></script>'
);
