import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';
import { startNode } from './library.ts';
import type { NodeOptions, StartedNode } from './library.ts';

/** What a test gets: the node, and what node:test gives it. */
export interface NodeTest {
  readonly node: StartedNode;
  readonly t: TestContext;
}

/** A test with a node, in the manner of node:test. */
export type TestWithNode = (name: string, run: (context: NodeTest) => unknown) => Promise<void>;

/**
 * A `test` for node:test that hands each test a node: `test('...', async ({ node, t }) => {})`. One node for all tests of
 * the file or of the `describe` in which this is called, started before the first and gone after the last.
 */
export function withNode(options: NodeOptions = {}): TestWithNode {
  let started: StartedNode | undefined;
  before(async () => {
    started = await startNode(options);
  });
  after(async () => started?.stop());
  return async (name, run) =>
    test(name, async (t) => {
      if (started === undefined) throw new Error('the node is there for tests, not for hooks before it');
      await run({ node: started, t });
    });
}
