import { join } from 'node:path';
import { defineConfig } from 'rolldown';
import license from 'rollup-plugin-license';

const dir = 'dist/bundle';

/**
 * What is published: the programs, with all that they import from libraries, side by side, so that `programBeside` finds
 * them. A fifth of the files takes half as long to load, and whoever installs the package installs nothing else.
 */
export default defineConfig([
  {
    input: [
      'src/main.ts',
      'src/cli/forwarder.ts',
      'src/isolate/abandoned.ts',
      'src/isolate/afterwards.ts',
      'src/node/issue.ts',
      'src/library.ts',
      'src/library/vitest.ts',
      'src/library/nodeTest.ts',
    ],
    external: ['vitest'],
    platform: 'node',
    // As tsconfig.json has it.
    transform: { target: 'es2022' },
    resolve: { mainFields: ['module', 'main'] },
    plugins: [license({ thirdParty: { output: join(dir, 'LICENSES.txt') } })],
    // Names stay, for those who read a stack trace: without them it would load no faster.
    output: { dir, minify: 'dce-only' },
  },
  {
    input: ['src/page/browser/live.ts', 'src/page/browser/logs.ts'],
    platform: 'browser',
    output: { dir: join(dir, 'browser') },
  },
]);
