import type { Dependency, Service } from '../../engine/component.ts';
import { controllerFlags } from './controllerFlags.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';

/** kube-scheduler: without it no pod is assigned to the node. */
export function scheduler(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const common = controllerFlags(facts, { name: 'scheduler', ports: { tls: 10259, plain: 10251 } });
  // readyz (since 1.31) also waits for the caches. Older versions have only healthz.
  const hasReadyz = facts.minor >= 31;
  return {
    kind: 'service',
    name: 'scheduler',
    needs,
    command: nodeProgram(facts, 'kube-scheduler', flags(common.flags)),
    ready: common.health(hasReadyz ? 'readyz' : 'healthz'),
    live: common.health(hasReadyz ? 'livez' : 'healthz'),
    ports: [common.port],
  };
}
