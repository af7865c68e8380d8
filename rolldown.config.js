import { join } from 'node:path';
import { defineConfig } from 'rolldown';
import license from 'rollup-plugin-license';

const dir = 'dist/bundle';

/** For lib/version.ts. A distributor who builds again what was built before sets SOURCE_DATE_EPOCH (https://reproducible-builds.org). */
const { SOURCE_DATE_EPOCH: epoch } = process.env;
const builtAt = (epoch ? new Date(Number(epoch) * 1000) : new Date()).toISOString();

const common = {
  platform: 'node',
  // As tsconfig.json has it.
  transform: { target: 'es2022', define: { BUILT_AT: JSON.stringify(builtAt) } },
  resolve: { mainFields: ['module', 'main'] },
};

/** V8 keeps a source of Latin letters alone in half the memory: for a supervisor that is 0.4 MB. */
const latin = {
  name: 'latin',
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle))
      if (chunk.type === 'chunk') chunk.code = chunk.code.replaceAll(/[^\0-\u00ff]/g, escape);
  },
};

function escape(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const programs = {
  ...common,
  plugins: [license({ thirdParty: { output: join(dir, 'LICENSES.txt') } }), latin],
  // Node.js is 15 ms quicker with CommonJS. Names stay, for those who read a stack trace: without them it would load no faster.
  output: {
    dir,
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
    // Else what Node.js has built in, when it is loaded late, brings the loader of the other kind of modules with it.
    dynamicImportInCjs: false,
    minify: 'dce-only',
    comments: false,
  },
};

/**
 * What is published: the programs, with all that they import from libraries, side by side, so that `programFile` finds
 * them. A fifth of the files takes half as long to load, and whoever installs the package installs nothing else.
 */
export default defineConfig([
  {
    ...programs,
    input: [
      'src/programs/main.ts',
      'src/programs/logForwarder.ts',
      'src/programs/portForwarder.ts',
      'src/programs/crashCleanup.ts',
      'src/programs/cleanup.ts',
      'src/programs/manifest.ts',
    ],
  },
  // By itself, so that what it needs at once is one file, which loads in half the time of the sixty that it would share.
  {
    ...programs,
    input: ['src/programs/supervisor.ts'],
    // What is in it is in those, too, and so are the licenses.
    plugins: [latin],
    output: { ...programs.output, codeSplitting: { groups: [{ name: 'supervisor', tags: ['$initial'] }] } },
    checks: { ineffectiveDynamicImport: false },
  },
  // By itself, too: it runs as long as the node, and a file that it shares would bring along what it does not need.
  {
    ...programs,
    input: ['src/programs/helper.ts'],
    plugins: [license({ thirdParty: { output: join(dir, 'LICENSES.helper.txt') } }), latin],
    output: { ...programs.output, codeSplitting: { groups: [{ name: 'helper', tags: ['$initial'] }] } },
  },
  {
    ...common,
    input: ['src/library/library.ts', 'src/library/vitest.ts', 'src/library/nodeTest.ts'],
    external: ['vitest'],
    plugins: [license({ thirdParty: { output: join(dir, 'LICENSES.library.txt') } })],
    output: { dir, minify: 'dce-only' },
  },
  {
    input: ['src/observe/web/browser/live.ts', 'src/observe/web/browser/logs.ts'],
    platform: 'browser',
    output: { dir: join(dir, 'browser') },
  },
]);
