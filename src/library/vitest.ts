import { afterAll, beforeAll, test } from 'vitest';
import { startNode } from './library.ts';
import type { NodeOptions, StartedNode } from './library.ts';

/** For Vitest: no limit. The boot has its own timeout, and binaries may have to be installed first. */
const noTimeout = 0;

/**
 * Vitest's `test` with the fixture `node`: `test('...', async ({ node }) => {})`. All tests of the file, or of the `describe`
 * in which this is called, share one node. It is started before the first test and stopped after the last.
 */
export function withNode(options: NodeOptions = {}) {
  let started: StartedNode | undefined;
  beforeAll(async () => {
    started = await startNode(options);
  }, noTimeout);
  afterAll(async () => started?.stop(), noTimeout);
  return test.extend<{ node: StartedNode }>({
    // oxlint-disable-next-line no-empty-pattern -- Vitest parses this pattern to find the fixtures that this one needs
    node: async ({}, use) => {
      if (started === undefined) throw new Error('the node is only available in tests, not in earlier hooks');
      await use(started);
    },
  });
}
