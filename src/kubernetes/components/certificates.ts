import { firstAddress, serverHost } from '../../config/schema/addresses.ts';
import type { Command, Dependency, Service, Task } from '../../engine/component.ts';
import { localServer } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { dueCertificates } from '../pki/expiry.ts';
import { issueAll } from '../pki/issueAll.ts';
import type { CertificateName } from '../pki/paths.ts';

/** The certificates and the kubeconfigs that point at them. */
export function certificates(facts: NodeFacts, needs: readonly Dependency[]): Task {
  return {
    kind: 'task',
    name: 'pki',
    needs,
    run: async (signal, report) => issueCertificates(facts, report, signal),
  };
}

/**
 * The components that use each certificate, and go on with the one that they have read. The supervisor's own probes are the
 * administrator's: they read it again with a new connection, which a restart of the API server makes.
 */
const users: Readonly<Record<CertificateName, readonly string[]>> = {
  // A CA is not renewed.
  ca: [],
  frontProxyCa: [],
  etcdCa: [],
  apiserver: ['apiserver'],
  kubeletServer: ['kubelet'],
  controlLoop: ['controller-manager', 'scheduler'],
  apiserverKubelet: ['apiserver'],
  frontProxyClient: ['apiserver'],
  admin: ['apiserver'],
  kubelet: ['kubelet'],
  controllerManager: ['controller-manager'],
  scheduler: ['scheduler'],
  proxy: ['kube-proxy'],
  dns: ['dns'],
  helper: ['dns', 'helper'],
  etcd: ['etcd'],
  apiserverEtcd: ['apiserver'],
};

/** The certificates of a running node, for whoever renews them: see supervisor/renewal.ts. */
export interface Renewal {
  /** What expires soon or has expired, for people. A CA is not among it: a start refuses one that has. */
  readonly due: () => readonly string[];
  /**
   * Issues what is due again, and resolves with the names of the components that use it. Some may not be in the graph.
   * @throws Failure `preflight` with the file and what to do
   */
  readonly renew: (signal: AbortSignal) => Promise<ReadonlySet<string>>;
}

export function renewalOf(facts: NodeFacts): Renewal {
  const due = () => dueCertificates(facts.paths.pki).filter(({ name }) => users[name].length > 0);
  return {
    due: () => due().map(({ description }) => description),
    renew: async (signal) => {
      const concerned = new Set(due().flatMap(({ name }) => users[name]));
      await issueCertificates(facts, () => undefined, signal);
      return concerned;
    },
  };
}

/** After this long, a start of a component checks the certificates again. In ms. */
const recheckMs = 60_000;

const never = new AbortController().signal;

/**
 * Returns a function that makes a command check the certificates before each start, unless that was done a moment ago: a restart
 * of a component makes anew what was damaged or removed while the node ran.
 */
export function renewing(facts: NodeFacts): (command: Service['command']) => () => Promise<Command> {
  let checkedAt = performance.now();
  return (command) => async () => {
    if (performance.now() - checkedAt > recheckMs) {
      checkedAt = performance.now();
      await issueCertificates(facts, () => undefined, never);
    }
    return typeof command === 'function' ? command() : command;
  };
}

async function issueCertificates(
  facts: NodeFacts,
  report: (reason: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { config, paths, ip } = facts;
  const host = serverHost(config.network.server ?? '');
  const order = {
    name: config.name,
    identity: {
      nodeName: config.nodeName,
      nodeIp: ip,
      serviceIp: firstAddress(config.network.serviceCidr),
      clusterDomain: config.network.clusterDomain,
      ...(host !== undefined && { extraSans: [host] }),
    },
    pkiDir: paths.pki,
    kubeconfigDir: paths.kubeconfigs,
    server: localServer(facts),
    // Loopback is another one on the other side of the node's namespaces.
    adminServer: `https://${ip}:${config.network.apiserverPort}`,
  };
  await issueAll(order, report, signal);
}
