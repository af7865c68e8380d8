import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';
import { startNode } from './library.ts';
import type { NodeOptions, StartedNode } from './library.ts';

/** The argument of a test: the node, and the context of node:test. */
export interface NodeTest {
  readonly node: StartedNode;
  readonly t: TestContext;
}

/** Defines a test, like `test` of node:test. */
export type TestWithNode = (name: string, run: (context: NodeTest) => unknown) => Promise<void>;

/**
 * A `test` for node:test with a node: `test('...', async ({ node, t }) => {})`. All tests of the file, or of the `describe` in
 * which this is called, share one node. It is started before the first test and stopped after the last.
 */
export function withNode(options: NodeOptions = {}): TestWithNode {
  let started: StartedNode | undefined;
  before(async () => {
    started = await startNode(options);
  });
  after(async () => started?.stop());
  return async (name, run) =>
    test(name, async (t) => {
      if (started === undefined) throw new Error('the node is only available in tests, not in earlier hooks');
      await run({ node: started, t });
    });
}
