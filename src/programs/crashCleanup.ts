import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { reasonOf } from '../lib/errors.ts';
import { isInBox } from '../sandbox/sandboxSpec.ts';
import { stopNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { cleanUp } from '../instance/cleanUp.ts';
import { lockNode } from '../instance/lock.ts';

/**
 * A program, not a module: `node crashCleanup.cjs LOCK`. Run by bin/init when a supervisor has died, killed or of a bug: all that
 * it has started, pods included, gets SIGTERM and the grace that a component has by default, and what does not end is killed.
 */
const graceMs = 10_000;

async function main(): Promise<void> {
  const [lock = ''] = process.argv.slice(2);
  const run = dirname(lock);
  const name = basename(run);
  const [, data = ''] = readFileSync(lock, 'utf8').split('\n');
  try {
    // In a box it is held by whoever takes the box away.
    const isBox = isInBox();
    if (isBox || (await lockNode(run)) !== undefined) {
      console.error(`k8s-single: the supervisor of node ${name} has died: what it started is being stopped`);
      const left = await stopNodeCgroup(name, graceMs);
      if (left.length > 0)
        console.error(`k8s-single: still running after ${graceMs / 1000} s: ${left.join(', ')}`);
      if (!isBox) await cleanUp({ name, run, data });
    }
  } catch (error) {
    console.error(`k8s-single: node ${name} has left something behind: ${reasonOf(error)}`);
  }
}

void main();
