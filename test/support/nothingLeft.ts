import { afterAll, beforeAll } from 'vitest';
import { expectNothingLeft, snapshotHost } from './leftovers.ts';
import type { Snapshot } from './leftovers.ts';
import { removeEarlierNodes } from './testNode.ts';

/** Compares the machine before and after each file of tests, as a hook around all of its own: see vitest.config.ts. */
let before: Snapshot;

beforeAll(async () => {
  await removeEarlierNodes();
  before = await snapshotHost();
});

afterAll(async () => expectNothingLeft(before));
