import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { cleanUp } from '../instance/cleanUp.ts';
import { takeLock } from '../instance/lock.ts';
import { stopOrphans } from '../instance/stopOrphans.ts';
import { reasonOf } from '../lib/errors.ts';
import { isInSandbox } from '../sandbox/sandboxSpec.ts';

/**
 * Cleans up after a supervisor that was killed or crashed: `node crashCleanup.cjs LOCK`, run by bin/init. Everything it
 * started, pods included, is stopped in order; what still runs after its grace is killed.
 */
async function main(): Promise<void> {
  const [lock = ''] = process.argv.slice(2);
  const run = dirname(lock);
  const name = basename(run);
  const [, data = ''] = readFileSync(lock, 'utf8').split('\n');
  try {
    // In a sandbox the shim holds the lock, and cleans up after the sandbox.
    const isSandboxed = isInSandbox();
    if (isSandboxed || (await takeLock(run)) !== undefined) {
      console.error(`k8s-single: the supervisor of node ${name} has died: stopping what it started`);
      const late = await stopOrphans(name, run);
      if (late.length > 0) console.error(`k8s-single: killed after their grace: ${late.join(', ')}`);
      if (!isSandboxed) await cleanUp({ name, run, data });
    }
  } catch (error) {
    console.error(`k8s-single: node ${name} has left something behind: ${reasonOf(error)}`);
  }
}

void main();
