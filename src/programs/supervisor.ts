import { dataOfBox } from '../sandbox/sandboxSpec.ts';
import { Forsaken, hearOutside } from '../sandbox/follow.ts';
import { coolDown, warmUp } from '../kubernetes/pki/issuing.ts';
import { pkiIn } from '../lib/paths.ts';
import { runMain } from './runMain.ts';
import { setV8Flags } from './v8Flags.ts';
import { planOf } from '../supervisor/bootSpec.ts';
import { runPlan } from '../supervisor/runPlan.ts';
// What others load when they need it, and this program needs at once: in the bundle it is one file with it.
import '../supervisor/runGraph.ts';
import '../supervisor/runNode.ts';
import '../kubernetes/node.ts';
import '../observe/terminal/json.ts';
import '../observe/terminal/plain.ts';
import '../observe/terminal/pretty.ts';

/**
 * A program, not a module: `node supervisor.cjs up ...`. Runs the node that the process outside the box has planned. The arguments are
 * for those who look at the processes; what is to be done it is told.
 */
async function run(): Promise<number> {
  setV8Flags();
  // What signs certificates starts while the box is made.
  const data = dataOfBox();
  if (data !== undefined) warmUp(pkiIn(data));
  try {
    const outside = await hearOutside();
    return await runPlan(planOf(outside.task), outside);
  } catch (error) {
    if (error instanceof Forsaken) return 0;
    throw error;
  } finally {
    coolDown();
  }
}

void runMain(run);
