import { currentBox } from '../isolate/box.ts';
import { beFrugal } from './frugal.ts';
import { beginGroundwork } from './groundwork.ts';
import { takePlan } from './plan.ts';
import type { PlanSoFar } from './runNode.ts';

/** Runs a node, by default the one that the process outside the box has planned, and resolves with the exit code. */
export async function runPlan(plan: PlanSoFar = takePlan()): Promise<number> {
  beFrugal();
  const box = currentBox();
  const groundwork = beginGroundwork(plan.config.node, box);
  // Only now: all that a node is made of takes as long to load as its ground to make.
  const { runNode } = await import('./runNode.ts');
  return runNode(plan, box, groundwork);
}
