import { join } from 'node:path';
import type { EtcdAccess } from '../etcdGateway.ts';
import type { NodeFacts } from '../facts.ts';
import { kubeletClientFile } from '../join/membership.ts';
import { pkiPaths } from '../pki/paths.ts';

/** The URL of the API server for the components of the node. */
export function localServer({ config }: Pick<NodeFacts, 'config'>): string {
  return `https://127.0.0.1:${config.network.apiserverPort}`;
}

/** The administrator's access to the API, for probes and milestones: the URL, and paths of PEM files. */
export function adminAccess(facts: Pick<NodeFacts, 'config' | 'paths'>) {
  return adminAt(localServer(facts), facts.paths);
}

/** {@link adminAccess} at another URL of the API server. */
export function adminAt(server: string, paths: Pick<NodeFacts['paths'], 'pki'>) {
  const { ca, admin } = pkiPaths(paths.pki);
  return { server, ca: ca.cert, cert: admin.cert, key: admin.key };
}

/** The node's own access to the API, as its kubelet: of a worker, which has no other. */
export function clientOf({ joining, paths }: Pick<NodeFacts, 'joining' | 'paths'>) {
  return workerAt(joining?.server ?? '', paths);
}

/** {@link clientOf} at this URL. */
export function workerAt(server: string, paths: Pick<NodeFacts['paths'], 'pki' | 'kubelet'>) {
  const file = kubeletClientFile(paths);
  return { server, ca: pkiPaths(paths.pki).ca.cert, cert: file, key: file };
}

/** The kubeconfig with which the kubelet of a worker asks for its certificate. */
export function bootstrapKubeconfig(dir: string): string {
  return join(dir, 'bootstrap-kubelet.conf');
}

/** Access to each member of the etcd that has the cluster: of the node's own, or of one of others. Never empty. */
export function etcdMembers(facts: Pick<NodeFacts, 'config' | 'paths'>): readonly EtcdAccess[] {
  const { endpoints, caFile: ca, certFile: cert, keyFile: key } = facts.config.etcd;
  if (endpoints === undefined) return [etcdAccess(facts)];
  const tls = ca === undefined || cert === undefined || key === undefined ? {} : { ca, cert, key };
  const access = (url: string): EtcdAccess => ({ url, ...tls });
  return endpoints.map(access);
}

/** Access to the node's own etcd, for the API server and for probes: the URL, and paths of PEM files. */
export function etcdAccess({ config, paths }: Pick<NodeFacts, 'config' | 'paths'>) {
  const { etcdCa, apiserverEtcd } = pkiPaths(paths.pki);
  return { url: `https://127.0.0.1:${config.network.etcdPort}`, ca: etcdCa.cert, ...apiserverEtcd };
}

/** The node's kubeconfig files, one for each client of the API. */
export interface Kubeconfigs {
  readonly admin: string;
  readonly kubelet: string;
  readonly controllerManager: string;
  readonly scheduler: string;
  readonly proxy: string;
  readonly dns: string;
}

/** The paths of the kubeconfigs in `dir`. */
export function kubeconfigPaths(dir: string): Kubeconfigs {
  const file = (client: string): string => join(dir, `${client}.conf`);
  return {
    admin: file('admin'),
    kubelet: file('kubelet'),
    controllerManager: file('kube-controller-manager'),
    scheduler: file('kube-scheduler'),
    proxy: file('kube-proxy'),
    dns: file('coredns'),
  };
}
