// Each program as one file, at the depth of dist/src/*/ so that paths to the package hold. Measured with three nodes:
// holdfastd takes 10 MB less memory bundled, above all for zod's languages, which nobody asks for.
import { build } from 'esbuild';

await build({
  entryPoints: [
    'dist/src/agent/holdfastd.js',
    // A thread of it.
    'dist/src/host/hang-witness-thread.js',
    'dist/src/cli/holdfast.js',
    // A thread of it.
    'dist/src/cli/fuzz-worker.js',
  ],
  entryNames: '[name]',
  outdir: 'dist/bundle/bin',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  logLevel: 'warning',
  // pino is CommonJS, and asks for Node's modules by require.
  banner: {
    js: "import { createRequire as createRequireOfBundle } from 'node:module';\nconst require = createRequireOfBundle(import.meta.url);",
  },
});
