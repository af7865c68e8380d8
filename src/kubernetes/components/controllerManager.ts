import type { Dependency, Service } from '../../engine/component.ts';
import { controllerFlags } from './controllerFlags.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';
import { pkiPaths } from '../pki/paths.ts';

/** The controllers: it is they who make the default ServiceAccount, without which no pod is admitted. */
export function controllerManager(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { config, paths, programs, env } = facts;
  const pki = pkiPaths(paths.pki);
  const loop = controllerFlags(facts, {
    user: 'kube-controller-manager',
    ports: { tls: 10257, plain: 10252 },
  });
  const args = flags({
    ...loop.flags,
    // The one node gets its range from us (see milestones.ts); up to 1.20 the allocator first sleeps for 10 s.
    'allocate-node-cidrs': false,
    'cluster-signing-cert-file': pki.ca.cert,
    'cluster-signing-key-file': pki.ca.key,
    'root-ca-file': pki.ca.cert,
    'service-account-private-key-file': pki.serviceAccount.private,
    'service-cluster-ip-range': config.network.serviceCidr,
    'use-service-account-credentials': true,
  });
  const healthy = loop.look('healthz');
  return {
    kind: 'service',
    name: 'controller-manager',
    needs,
    command: { file: programs['kube-controller-manager'], args, env },
    ready: healthy,
    live: healthy,
    ports: [loop.port],
  };
}
