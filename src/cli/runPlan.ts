import { currentBox } from '../isolate/box.ts';
import { takePlan } from './plan.ts';
import { runNode } from './runNode.ts';

/** Runs the node that the process outside the box has planned, and resolves with the exit code. */
export async function runPlan(): Promise<number> {
  return runNode(takePlan(), currentBox());
}
