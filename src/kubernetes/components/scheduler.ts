import type { Dependency, Service } from '../../engine/component.ts';
import { controllerFlags } from './controllerFlags.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';

/** Finds each pod its node: here the only one. */
export function scheduler(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const loop = controllerFlags(facts, { user: 'kube-scheduler', ports: { tls: 10259, plain: 10251 } });
  // Since 1.31 readyz also waits for the caches; before that there is healthz alone.
  const split = facts.minor >= 31;
  return {
    kind: 'service',
    name: 'scheduler',
    needs,
    command: { file: facts.programs['kube-scheduler'], args: flags(loop.flags), env: facts.env },
    ready: loop.look(split ? 'readyz' : 'healthz'),
    live: loop.look(split ? 'livez' : 'healthz'),
    ports: [loop.port],
  };
}
