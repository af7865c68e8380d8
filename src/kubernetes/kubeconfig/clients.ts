import { join } from 'node:path';
import type { NodeFacts } from '../facts.ts';
import { pkiPaths } from '../pki/paths.ts';

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
