import { dataOfBox } from '../isolate/box.ts';
import { Forsaken, hearOutside } from '../isolate/follow.ts';
import { coolDown, warmUp } from '../node/issuing.ts';
import { pkiIn } from '../paths.ts';
import { asProgram } from './asProgram.ts';
import { beFrugal } from './frugal.ts';
import { planOf } from './plan.ts';
import { runPlan } from './runPlan.ts';
// What others load when they need it, and this program needs at once: in the bundle it is one file with it.
import './runGraph.ts';
import './runNode.ts';
import '../node/index.ts';
import '../report/json.ts';
import '../report/plain.ts';
import '../report/pretty.ts';

/**
 * A program, not a module: `node inside.cjs up ...`. Runs the node that the process outside the box has planned. The arguments are
 * for those who look at the processes; what is to be done it is told.
 */
async function run(): Promise<number> {
  beFrugal();
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

void asProgram(run);
