import type { Dependency, Service } from '../../engine/component.ts';
import { controllerFlags } from './controllerFlags.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';

/** kube-scheduler: without it no pod is assigned to the node. */
export function scheduler(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { controllers, schedulerHealth } = facts.differences.kubernetes;
  const common = controllerFlags(facts, 'scheduler', controllers.schedulerPort);
  return {
    kind: 'service',
    name: 'scheduler',
    needs,
    command: nodeProgram(facts, 'kube-scheduler', flags(common.flags)),
    ready: common.health(schedulerHealth.ready),
    live: common.health(schedulerHealth.live),
    ports: [common.port],
  };
}
