import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { apiObject } from '../../../probes/kinds/api.ts';
import type { Api } from '../../../probes/kinds/api.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { probeOnce } from '../../../probes/probeOnce.ts';
import { DeadlineExceeded, until } from '../../../probes/until.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { nodePath } from '../../helper/workers/node.ts';
import { minorOf } from '../../install/release/pairings.ts';
import { reasonOf } from '../../lib/errors.ts';
import type { Paths } from '../../lib/paths.ts';
import { change, remove } from '../components/bootstrapSteps.ts';
import { pkiPaths } from '../pki/paths.ts';
import { bootstrapKubeconfig, kubeconfigPaths, workerAt } from '../kubeconfig/clients.ts';
import { kubeletClientFile, membershipFile } from './membership.ts';

interface Worker {
  readonly server: string;
  readonly nodeName: string;
  /** The version of the cluster. */
  readonly kubernetes: string;
}

/** For one request, in ms. */
const requestMs = 10_000;
/** How long the node is drained at most, in ms. Pods have 30 s to end by default, and a budget may hold some back for ever. */
const drainMs = 120_000;
const never = new AbortController().signal;

/**
 * Drains a worker that still runs, and deletes its Node. With the kubelet's certificate, which allows that for this node alone. Pods
 * that cannot be evicted in time end with the node.
 * @throws Unhealthy with the reason of the API server, or why it is not reached
 */
export async function leaveCluster(worker: Worker, paths: Pick<Paths, 'pki' | 'kubelet'>): Promise<void> {
  const api = workerAt(worker.server, paths);
  const node = nodePath(worker.nodeName);
  const cordon = {
    method: 'PATCH',
    type: 'application/merge-patch+json',
    body: { spec: { unschedulable: true } },
  } as const;
  await probeOnce(change(api, node, cordon, [200]), requestMs, never);
  await until(drained(api, worker), { timeoutMs: drainMs, attemptTimeoutMs: requestMs }, never).catch(
    (error: unknown) => {
      console.error(`not drained: ${error instanceof DeadlineExceeded ? error.lastReason : reasonOf(error)}`);
    },
  );
  await probeOnce(remove(api, node), requestMs, never);
}

/**
 * Takes back the join of a node that never took pods: its Node, and its certificates and what it knows of the cluster. Also without an
 * answer of the API server nothing is left here.
 * @throws Unhealthy with its reason
 */
export async function forgetCluster(
  worker: Pick<Worker, 'server' | 'nodeName'>,
  paths: Pick<Paths, 'data' | 'pki' | 'kubelet' | 'kubeconfigs'>,
): Promise<void> {
  const client = kubeletClientFile(paths);
  try {
    // Without a certificate it has not registered.
    if (existsSync(client))
      await probeOnce(remove(workerAt(worker.server, paths), nodePath(worker.nodeName)), requestMs, never);
  } finally {
    const { kubelet, proxy } = kubeconfigPaths(paths.kubeconfigs);
    // Without its CA a start of its own makes one.
    const { cert: ca } = pkiPaths(paths.pki).ca;
    for (const file of [membershipFile(paths), bootstrapKubeconfig(paths.kubeconfigs), kubelet, proxy, ca])
      rmSync(file, { force: true });
    rmSync(dirname(client), { recursive: true, force: true });
  }
}

/** Evicts each pod of the node; passes when all have gone but those that would come again. */
function drained(api: Api, { nodeName, kubernetes }: Worker): Probe {
  const selector = encodeURIComponent(`spec.nodeName=${nodeName}`);
  const list = apiObject(api, `/api/v1/pods?limit=60&fieldSelector=${selector}`, 'there are no pods');
  // v1 since 1.22; v1beta1 up to 1.24.
  const apiVersion = minorOf(kubernetes) >= 22 ? 'policy/v1' : 'policy/v1beta1';
  return async (signal) => {
    const pods = listAt(await list(signal), 'items').filter(isToEvict);
    const reasons: string[] = [];
    for (const pod of pods) {
      const [namespace, name] = [textAt(pod, 'metadata', 'namespace'), textAt(pod, 'metadata', 'name')];
      const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
      const body = { apiVersion, kind: 'Eviction', metadata: { namespace, name } };
      // 404: it has gone.
      const evict = change(api, path, { method: 'POST', type: 'application/json', body }, [200, 201, 404]);
      await evict(signal).catch((error: unknown) => reasons.push(`${namespace}/${name}: ${reasonOf(error)}`));
    }
    if (pods.length === 0) return;
    throw new Unhealthy(reasons[0] ?? `${pods.length} pods have not ended yet`);
  };
}

/** Not a pod of a DaemonSet, which would come again, nor one of a file of the kubelet, nor one that has ended. */
function isToEvict(pod: unknown): boolean {
  const owners = listAt(pod, 'metadata', 'ownerReferences');
  const isOfDaemonSet = owners.some((owner) => at(owner, 'kind') === 'DaemonSet');
  const isMirror = textAt(pod, 'metadata', 'annotations', 'kubernetes.io/config.mirror') !== '';
  const hasEnded = ['Succeeded', 'Failed'].includes(textAt(pod, 'status', 'phase'));
  return !isOfDaemonSet && !isMirror && !hasEnded;
}
