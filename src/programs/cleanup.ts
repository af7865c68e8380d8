import { reasonOf } from '../lib/errors.ts';
import { cleanUp } from '../instance/cleanUp.ts';

/**
 * A program, not a module: `node cleanup.cjs NAME RUN DATA`. What outlives the node runs it when the node has ended,
 * however it ended, so that nothing is left behind. Holds the node's lock through an inherited descriptor.
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
