import { afterAll, beforeAll, test } from 'vitest';
import { startNode } from './library.ts';
import type { NodeOptions, StartedNode } from './library.ts';

/** The boot has a deadline of its own, and binaries may have to be brought before. */
const noTimeout = 0;

/**
 * Vitest's `test` with a fixture: `test('...', async ({ node }) => {})`. One node for all tests of the file or of the
 * `describe` in which this is called, started before the first and gone after the last.
 */
export function withNode(options: NodeOptions = {}) {
  let started: StartedNode | undefined;
  beforeAll(async () => {
    started = await startNode(options);
  }, noTimeout);
  afterAll(async () => started?.stop(), noTimeout);
  return test.extend<{ node: StartedNode }>({
    // oxlint-disable-next-line no-empty-pattern -- Vitest reads from it which other fixtures this one needs
    node: async ({}, use) => {
      if (started === undefined) throw new Error('the node is there for tests, not for hooks before it');
      await use(started);
    },
  });
}
