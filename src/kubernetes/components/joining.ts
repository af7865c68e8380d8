import { mkdirSync, rmSync } from 'node:fs';
import { apiObject, apiObjectExists } from '../../../probes/kinds/api.ts';
import { cri } from '../../../probes/kinds/cri.ts';
import { nodeReady } from '../../../probes/kinds/nodeReady.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { nodePath, podCidrAnnotation } from '../../helper/workers/node.ts';
import { ensurePrivateFolder, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import type { NodeFacts } from '../facts.ts';
import { kubeletClientFile, membershipFile, tokenFile } from '../join/membership.ts';
import type { Joining } from '../join/membership.ts';
import { bootstrapKubeconfig, clientOf, kubeconfigPaths } from '../kubeconfig/clients.ts';
import { contextName, kubeconfig } from '../kubeconfig/kubeconfig.ts';
import { privateMode, publicMode } from '../pki/files.ts';
import { pkiPaths } from '../pki/paths.ts';
import { setPodCidr } from './bootstrapSteps.ts';
import { writeNetwork } from './cni.ts';
import {
  keepsAddressUnlessSandboxed,
  milestone,
  staysReady,
  waitUntil,
  withFreeSpace,
} from './milestones.ts';

// The tasks of a worker.

/** The files of a worker: the cluster's CA, and the kubeconfigs of its kubelet and its kube-proxy. */
export function joinFiles(facts: NodeFacts, joining: Joining, needs: readonly Dependency[]): Task {
  const { paths, config } = facts;
  const run = async (): Promise<void> => {
    const { bootstrapToken, podCidr: _podCidr, ...membership } = joining;
    const { server, ca } = membership;
    for (const folder of [paths.pki, paths.kubeconfigs]) ensurePrivateFolder(folder);
    const caFile = pkiPaths(paths.pki).ca.cert;
    writeFileAtomicallySync(caFile, ca, { mode: publicMode });
    const write = (file: string, user: Record<string, string>): void => {
      const text = kubeconfig(contextName(config.name), { server, 'certificate-authority': caFile }, user);
      writeFileAtomicallySync(file, text, { mode: privateMode });
    };
    const bootstrap = bootstrapKubeconfig(paths.kubeconfigs);
    const { kubelet, proxy } = kubeconfigPaths(paths.kubeconfigs);
    const client = kubeletClientFile(paths);
    const own = { 'client-certificate': client, 'client-key': client };
    if (bootstrapToken === undefined) {
      rmSync(bootstrap, { force: true });
      // As the kubelet has made it of its token; the server may be another one now.
      write(kubelet, own);
    } else {
      write(bootstrap, { token: bootstrapToken });
      // What it has made of an earlier token, which came to nothing.
      rmSync(kubelet, { force: true });
    }
    write(proxy, own);
    const known = JSON.stringify(membership, undefined, 2);
    writeFileAtomicallySync(membershipFile(paths), known, { mode: privateMode });
  };
  return { kind: 'task', name: 'join', needs, run };
}

/** Ready when the kubelet has got its certificate from the cluster, and the API server knows the node. The token is not kept then. */
export function clientCertificate(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { nodeName } = facts.config;
  const missing = `the kubelet has not registered ${nodeName} yet`;
  const tokens = [bootstrapKubeconfig(facts.paths.kubeconfigs), tokenFile(facts.paths)];
  return milestone('client-certificate', needs, [
    waitUntil(apiObjectExists(clientOf(facts), nodePath(nodeName), missing)),
    async () => {
      for (const file of tokens) rmSync(file, { force: true });
    },
  ]);
}

/** Ready when the control plane has given the node a range for its pods, containerd has it, and then the kubelet. */
export function podNetwork(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { nodeName } = facts.config;
  const get = ownNode(facts);
  const hasNetwork = cri(facts.paths.containerdSocket, { network: true });
  let written = '';
  const hasRange: Probe = async (signal) => {
    const node = await get(signal);
    const range =
      textAt(node, 'spec', 'podCIDR') || textAt(node, 'metadata', 'annotations', podCidrAnnotation);
    if (range === '')
      throw new Unhealthy(`the control plane has given ${nodeName} no range for its pods yet`);
    if (written !== range) {
      mkdirSync(facts.paths.cni, { recursive: true, mode: 0o700 });
      writeNetwork(facts, range);
      written = range;
    }
    await hasNetwork(signal);
    if (textAt(node, 'spec', 'podCIDR') === '') await setPodCidr(clientOf(facts), nodeName, range)(signal);
  };
  return milestone('pod-network', needs, [waitUntil(hasRange)]);
}

/** The taint of a node that its user has cordoned, which is as they want it. */
const cordoned = 'node.kubernetes.io/unschedulable';

/**
 * Ready while the node accepts pods, as the milestone of a control plane; pods come when its controllers have removed the taint.
 * @param isTakenOver its kubelet may have run before: one of which nothing changes reports only every five minutes
 */
export function workerMilestone(
  facts: NodeFacts,
  needs: readonly Dependency[],
  { onReady, isTakenOver }: { readonly onReady: () => void; readonly isTakenOver: boolean },
): Task {
  // Not by what its kubelet has reported in an earlier life.
  const createdAt = performance.now();
  const reportedSince = (): number => Date.now() - (performance.now() - createdAt);
  const since = isTakenOver ? {} : { reportedSince };
  const own = { ...clientOf(facts), node: facts.config.nodeName };
  const hasAddress = keepsAddressUnlessSandboxed(facts);
  const get = ownNode(facts);
  const isSchedulable: Probe = async (signal) => {
    const taints = listAt(await get(signal), 'spec', 'taints').map((taint) => String(at(taint, 'key')));
    const taint = taints.find((key) => key.startsWith('node.kubernetes.io/') && key !== cordoned);
    if (taint !== undefined) throw new Unhealthy(`the node has the taint ${taint}`);
  };
  const steps = [
    ...[hasAddress, withFreeSpace(nodeReady({ ...own, ...since }), facts), isSchedulable].map((probe) =>
      waitUntil(probe),
    ),
    async () => onReady(),
  ];
  return {
    ...milestone('node', needs, steps),
    ...staysReady(withFreeSpace(nodeReady(own), facts), hasAddress),
  };
}

/** GETs the Node of this machine. */
function ownNode(facts: NodeFacts): (signal: AbortSignal) => Promise<unknown> {
  const { nodeName } = facts.config;
  return apiObject(clientOf(facts), nodePath(nodeName), `there is no node ${nodeName}`);
}
