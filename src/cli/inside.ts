import { hearOutside } from '../isolate/follow.ts';
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
  const outside = await hearOutside();
  // Then there is nobody to see it.
  return outside === undefined ? 0 : runPlan(planOf(outside.task), outside);
}

void asProgram(run);
