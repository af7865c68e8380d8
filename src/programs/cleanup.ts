import { cleanUp } from '../instance/cleanUp.ts';
import { reasonOf } from '../lib/errors.ts';

/**
 * Removes every trace of a node that has ended, however it ended: `node cleanup.cjs NAME RUN DATA`, run by the shim outside
 * of the sandbox. Holds the node's lock through an inherited descriptor.
 */
async function main(): Promise<void> {
  const [name = '', run = '', data = ''] = process.argv.slice(2);
  try {
    await cleanUp({ name, run, data });
  } catch (error) {
    console.error(`k8s-single: node ${name} has left something behind: ${reasonOf(error)}`);
    process.exitCode = 1;
  }
}

void main();
