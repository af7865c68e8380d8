import { hearOutside } from '../isolate/follow.ts';
import { beFrugal } from './frugal.ts';
import { planOf } from './plan.ts';

/** Runs the node that the process outside the box has planned, and resolves with the exit code. */
export async function runInside(): Promise<number> {
  beFrugal();
  // All that a node is made of loads while the box is made.
  const [outside, { runPlan }] = await Promise.all([hearOutside(), load()]);
  // Then there is nobody to see it.
  if (outside === undefined) return 0;
  return runPlan(planOf(outside.task), outside);
}

async function load() {
  const [{ runPlan }, { loadNode }] = await Promise.all([import('./runPlan.ts'), import('./runNode.ts')]);
  await loadNode();
  return { runPlan };
}
