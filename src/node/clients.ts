import { join } from 'node:path';
import type { NodeFacts } from './facts.ts';
import { pkiPaths } from './pki/paths.ts';

/** The API server as the components see it. */
export function localServer({ config }: NodeFacts): string {
  return `https://127.0.0.1:${config.network.apiserverPort}`;
}

/** The administrator's access to the API, for probes and milestones: PEM files. */
export function adminAccess(facts: NodeFacts) {
  const { ca, admin } = pkiPaths(facts.paths.pki);
  return { server: localServer(facts), ca: ca.cert, cert: admin.cert, key: admin.key };
}

/** The kubeconfig file of one component. */
export function kubeconfigOf({ paths }: NodeFacts, user: string): string {
  return join(paths.kubeconfigs, `${user}.conf`);
}

/**
 * The flags of a control loop that is the only one of its kind. A single node gains nothing from leader election, and
 * the default of 20 requests a second starts the controllers one by one, 150 ms apart.
 */
export function controlLoopFlags(facts: NodeFacts, user: string) {
  const kubeconfig = kubeconfigOf(facts, user);
  return {
    kubeconfig,
    'authentication-kubeconfig': kubeconfig,
    'authorization-kubeconfig': kubeconfig,
    'bind-address': '127.0.0.1',
    'kube-api-burst': 1000,
    'kube-api-qps': 500,
    'leader-elect': false,
  };
}
