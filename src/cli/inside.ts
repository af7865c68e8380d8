import { hearOutside } from '../isolate/follow.ts';
import { beFrugal } from './frugal.ts';
import { planOf } from './plan.ts';
import { runPlan } from './runPlan.ts';

/** Runs the node that the process outside the box has planned, and resolves with the exit code. */
export async function runInside(): Promise<number> {
  beFrugal();
  const outside = await hearOutside();
  // Then there is nobody to see it.
  if (outside === undefined) return 0;
  return runPlan(planOf(outside.task), outside);
}
