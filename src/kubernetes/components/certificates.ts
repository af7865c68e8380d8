import { statSync } from 'node:fs';
import { firstAddress, serverHost } from '../../config/schema/addresses.ts';
import type { Command, Dependency, Service, Task } from '../../engine/component.ts';
import { adminAccess, localServer } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { Failure } from '../../lib/errors.ts';
import { clusterNodes } from '../join/clusterNodes.ts';
import { isJoinable } from '../join/joinable.ts';
import {
  advanceCaRotation,
  isCaRotationOnlyRequested,
  nextCaRotationStep,
  withdrawCaRotation,
} from '../pki/caRotation.ts';
import { dueCertificates } from '../pki/expiry.ts';
import { issueAll } from '../pki/issueAll.ts';
import { authorityNames } from '../pki/leaves.ts';
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
  ca: ['apiserver', 'controller-manager', 'scheduler', 'kubelet', 'kube-proxy', 'dns', 'helper'],
  frontProxyCa: ['apiserver'],
  etcdCa: ['etcd', 'apiserver'],
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
  /** What expires soon or has expired, for people. A CA is not among it: a start refuses one that has, and a command replaces it. */
  readonly due: () => readonly string[];
  /**
   * Issues what is due again.
   * @throws Failure `preflight` with the file and what to do
   */
  readonly renew: (signal: AbortSignal) => Promise<void>;
  /**
   * Takes the next step of a rotation of the CAs, if one has been asked for. Call it only when every component uses the certificates that
   * are there. Resolves with what was done, for people: then some have to be restarted.
   * @throws Failure `preflight` with the file and what to do
   */
  readonly rotate: (signal: AbortSignal) => Promise<string | undefined>;
  /** Something that changes with the certificates that a component uses; empty if it uses none. */
  readonly signatureOf: (component: string) => string;
}

export function renewalOf(facts: NodeFacts): Renewal {
  const { pki } = facts.paths;
  const { serviceAccount: _, ...files } = pkiPaths(pki);
  const issue = async (signal: AbortSignal): Promise<boolean> => {
    let hasIssued = false;
    await issueCertificates(facts, () => (hasIssued = true), signal);
    return hasIssued;
  };
  return {
    due: () =>
      dueCertificates(pki).flatMap(({ name, description }) => (name in authorityNames ? [] : [description])),
    renew: async (signal) => void (await issue(signal)),
    rotate: async (signal) => {
      const step = await nextCaRotationStep(pki);
      if (step === undefined) return undefined;
      if (isJoinable(facts) && (await isCaRotationOnlyRequested(pki))) await assertNoWorkers(facts, signal);
      // What the last step has left undone comes first: nobody loses a CA before every certificate is of another one.
      if (await issue(signal)) return 'certificates are issued again';
      await advanceCaRotation(pki);
      await issue(signal);
      return step;
    },
    signatureOf: (component) =>
      Object.entries(files)
        .filter(([name]) => users[name]?.includes(component))
        .map(([, { cert }]) => statSync(cert, { throwIfNoEntry: false }))
        .map((stat) => `${stat?.ino} ${stat?.mtimeMs} ${stat?.size}`)
        .join('\n'),
  };
}

/** Workers may have been there while the node, and so its API server, was down. @throws Failure `preflight`; Unhealthy without an answer */
async function assertNoWorkers(facts: NodeFacts, signal: AbortSignal): Promise<void> {
  const [, ...workers] = await clusterNodes(adminAccess(facts), signal);
  if (workers.length === 0) return;
  await withdrawCaRotation(facts.paths.pki);
  throw wouldLoseWorkers();
}

/** Why CAs are not replaced. */
export function wouldLoseWorkers(): Failure {
  return new Failure('preflight', 'the cluster has workers, which would not know its new CAs', {
    hint: 'take the workers down with --purge, replace the CAs, and join them again with new tokens',
  });
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
