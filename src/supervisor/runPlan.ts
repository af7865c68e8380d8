import type { Outside } from '../sandbox/follow.ts';
import { coolDown } from '../kubernetes/pki/issuing.ts';
import { beginGroundwork } from './groundwork.ts';
import type { PlanSoFar } from './bootSpec.ts';

/** Runs a node and resolves with the exit code. */
export async function runPlan(plan: PlanSoFar, outside?: Outside): Promise<number> {
  const groundwork = beginGroundwork(plan.config.node, outside);
  try {
    // Only now: all that a node is made of takes as long to load as its ground to make.
    const { runNode } = await import('./runNode.ts');
    return await runNode(plan, outside !== undefined, groundwork);
  } finally {
    coolDown();
  }
}
