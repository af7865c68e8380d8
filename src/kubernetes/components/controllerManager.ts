import type { Dependency, Service } from '../../engine/component.ts';
import { controllerFlags } from './controllerFlags.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { flags } from './flags.ts';
import { isJoinable } from '../join/joinable.ts';
import { pkiPaths, signingCertificate } from '../pki/paths.ts';

/** kube-controller-manager. */
export function controllerManager(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { config, paths } = facts;
  const pki = pkiPaths(paths.pki);
  const { controllerManagerPort } = facts.differences.kubernetes.controllers;
  const common = controllerFlags(facts, 'controllerManager', controllerManagerPort);
  const args = flags({
    ...common.flags,
    // The milestone `node` sets the node's pod range. Up to 1.20 the allocator sleeps for 10 s first.
    'allocate-node-cidrs': false,
    'cluster-signing-cert-file': signingCertificate(paths.pki),
    'cluster-signing-key-file': pki.ca.key,
    ...(isJoinable(facts) && { controllers: '*,tokencleaner' }),
    'root-ca-file': pki.ca.cert,
    'service-account-private-key-file': pki.serviceAccount.private,
    'service-cluster-ip-range': config.network.serviceCidr,
    'use-service-account-credentials': true,
  });
  const healthy = common.health('healthz');
  return {
    kind: 'service',
    name: 'controller-manager',
    needs,
    command: nodeProgram(facts, 'kube-controller-manager', args),
    ready: healthy,
    live: healthy,
    ports: [common.port],
  };
}
