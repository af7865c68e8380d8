import { statSync } from 'node:fs';
import { firstAddress, serverHost } from '../../config/schema/addresses.ts';
import type { Command, Dependency, Service, Task } from '../../engine/component.ts';
import { localServer } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { dueCertificates } from '../pki/expiry.ts';
import { issueAll } from '../pki/issueAll.ts';
import { pkiPaths } from '../pki/paths.ts';
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
const users: Readonly<Record<string, readonly string[]>> = {
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
} satisfies Record<CertificateName, readonly string[]>;

/** The certificates of a running node, for whoever renews them: see supervisor/renewal.ts. */
export interface Renewal {
  /** What expires soon or has expired, for people. A CA is not among it: a start refuses one that has. */
  readonly due: () => readonly string[];
  /**
   * Issues what is due again.
   * @throws Failure `preflight` with the file and what to do
   */
  readonly renew: (signal: AbortSignal) => Promise<void>;
  /** Something that changes with the certificates that a component uses; empty if it uses none. */
  readonly signatureOf: (component: string) => string;
}

export function renewalOf(facts: NodeFacts): Renewal {
  const { pki } = facts.paths;
  const { serviceAccount: _, ...files } = pkiPaths(pki);
  return {
    due: () =>
      dueCertificates(pki).flatMap(({ name, description }) =>
        users[name]?.length === 0 ? [] : [description],
      ),
    renew: async (signal) => issueCertificates(facts, () => undefined, signal),
    signatureOf: (component) =>
      Object.entries(files)
        .filter(([name]) => users[name]?.includes(component))
        .map(([, { cert }]) => statSync(cert, { throwIfNoEntry: false }))
        .map((stat) => `${stat?.ino} ${stat?.mtimeMs} ${stat?.size}`)
        .join('\n'),
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
