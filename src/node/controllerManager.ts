import { http } from '../../probes/http.ts';
import type { Need, Service } from '../component.ts';
import { controlLoopFlags } from './clients.ts';
import type { NodeFacts } from './facts.ts';
import { flags } from './flags.ts';
import { pkiPaths } from './pki/paths.ts';

/** Its secure port, the same since 1.12. */
const port = 10257;

/** The controllers: it is they who make the default ServiceAccount, without which no pod is admitted. */
export function controllerManager(facts: NodeFacts, needs: readonly Need[]): Service {
  const { config, paths, programs, env } = facts;
  const pki = pkiPaths(paths.pki);
  const args = flags({
    ...controlLoopFlags(facts, 'kube-controller-manager'),
    // The one node gets its range from us (see registered.ts); up to 1.20 the allocator first sleeps for 10 s.
    'allocate-node-cidrs': false,
    'cluster-signing-cert-file': pki.ca.cert,
    'cluster-signing-key-file': pki.ca.key,
    'root-ca-file': pki.ca.cert,
    'service-account-private-key-file': pki.serviceAccount.private,
    'service-cluster-ip-range': config.network.serviceCidr,
    'tls-cert-file': pki.controlLoop.cert,
    'tls-private-key-file': pki.controlLoop.key,
    'use-service-account-credentials': true,
  });
  const healthy = http(`https://127.0.0.1:${port}/healthz`, { ca: pki.ca.cert });
  return {
    kind: 'service',
    name: 'controller-manager',
    needs,
    command: { file: programs['kube-controller-manager'], args, env },
    ready: healthy,
    live: healthy,
    ports: [port],
  };
}
