import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** No node under test reaches another machine: see test/support/cli.ts. */
const env = { K8S_SINGLE_EGRESS: 'none' };

/**
 * Compare the whole machine before and after, or see what any command does to it: alone, as another test may make an interface or a route
 * meanwhile.
 */
const machineTests = [
  'test/instance/deadNodes.test.ts',
  'test/sandbox/**/*.test.ts',
  'test/cli/badInput.test.ts',
  'test/commands/{up,down}.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: ['./test/support/installBinaries.ts'],
    reporters: ['default', './test/support/tally.ts'],
    projects: [
      {
        test: {
          env,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', ...machineTests],
          // Most of them wait for processes: a worker for each core, one more than the default.
          maxWorkers: availableParallelism(),
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          env,
          name: 'machine',
          include: machineTests,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          env,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          setupFiles: ['./test/support/nothingLeft.ts'],
          // One real node at a time, and only when the quick tests have passed the cores on.
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
