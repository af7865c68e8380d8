import { apiObject } from '../../probes/kinds/api.ts';
import { nodeReady } from '../../probes/kinds/nodeReady.ts';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { processorMs } from '../../probes/proc.ts';
import { httpClient } from '../../probes/transport/httpClient.ts';
import { textAt } from '../../probes/transport/json.ts';
import { until } from '../../probes/until.ts';
import type { NodeConfig } from '../config/schema/node.ts';
import { freezeNode, thawNode } from '../host/cgroup/freezer.ts';
import { componentProcesses } from '../host/cgroup/nodeCgroup.ts';
import { adminAt } from '../kubernetes/kubeconfig/clients.ts';
import { Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import { formatMs } from '../lib/text/text.ts';

/** How often a kubelet renews its lease, in ms: a quarter of its 40 s (nodeLeaseDurationSeconds). */
const renewEveryMs = 10_000;

/** How long a node may take until it is as if it had never been frozen, in ms: a kubelet reports at once what is due, or after 10 s. */
const wakesWithinMs = 12_000;

/**
 * How long a node is frozen at a time, in ms. When it goes on, the kubelet finds its runtime down if it has not asked it for 30 s
 * (baseRuntimeSyncThreshold in kk pkg/kubelet/kubelet.go), which it does every 5 s; the controller manager calls a node unreachable
 * whose lease it has not seen change for 40 s (node-monitor-grace-period); and an API server before 1.23 makes up for each ms that it
 * has missed in its metrics, 10 ms for each second (sampleAndWaterMarkHistograms in k8s.io/apiserver).
 */
export const frozenForMs = 15_000;

/** After that long, in ms, a node would show that it was frozen. */
const tooLongMs = 24_000;

/** How long a node may take until it has done what its boot has left to do, in ms. */
const settlesWithinMs = 60_000;

/** A node that is idle takes 5 to 10 % of a core; one that still works on its boot, such as the API server on OpenAPI, much more. */
const [idleMs, perMs] = [150, 1000];

/** A node that is frozen, and goes on again. */
export class FrozenNode {
  readonly #name: string;
  readonly #isCurrent: Probe;
  readonly #leaseAge: LeaseAge;
  /** In ms of `performance.now()`. */
  #frozenAt = Number.POSITIVE_INFINITY;

  /** @param ip the node's own address */
  constructor(config: NodeConfig, ip: string) {
    const { isCurrent, leaseAge } = looksAt(config, ip);
    this.#name = config.name;
    this.#isCurrent = isCurrent;
    this.#leaseAge = leaseAge;
  }

  /** How long it has been frozen, in ms; negative while it is not. */
  get frozenMs(): number {
    return performance.now() - this.#frozenAt;
  }

  /**
   * Waits until it has nothing left to do of its boot: otherwise the first that it did when it is thawed would be that, and it would be
   * slow just then.
   * @throws DeadlineExceeded
   */
  async settle(signal: AbortSignal): Promise<void> {
    await until(this.#isCurrent, { timeoutMs: settlesWithinMs }, signal);
    let before = 0;
    const isIdle = async (): Promise<void> => {
      const now = await processorMs(await componentProcesses(this.#name));
      const used = now - before;
      before = now;
      // The first attempt has nothing to compare with.
      if (used > idleMs) throw new Unhealthy(`node ${this.#name} still works on its boot`);
    };
    const timing = { timeoutMs: settlesWithinMs, periodMs: perMs, maxPeriodMs: perMs };
    await until(isIdle, timing, signal);
  }

  /**
   * Waits until the kubelet is not about to renew its lease. If it were frozen before it has heard that it has succeeded, it would renew
   * it only 10 s after it goes on.
   * @throws DeadlineExceeded
   */
  async leaseIsRenewed(signal: AbortSignal): Promise<void> {
    const isBetweenRenewals = async (attempt: AbortSignal): Promise<void> => {
      const ageMs = await this.#leaseAge(attempt);
      if (ageMs < 500 || ageMs > 8500) throw new Unhealthy(`node ${this.#name} may be renewing its lease`);
    };
    const timing = { timeoutMs: wakesWithinMs, periodMs: 250, maxPeriodMs: 250 };
    await until(isBetweenRenewals, timing, signal);
  }

  /** Call it when the {@link leaseIsRenewed lease is renewed}. */
  async freeze(): Promise<void> {
    // Some processes may stand still for long before the last one does.
    const beganAt = performance.now();
    await freezeNode(this.#name);
    this.#frozenAt = beganAt;
  }

  /**
   * Lets it go on. Resolves when it {@link isUsable is usable}.
   * @throws DeadlineExceeded; Failure `notReady` if it has been frozen for so long that it would show
   */
  async wake(signal: AbortSignal): Promise<void> {
    if (this.frozenMs > tooLongMs)
      throw new Failure('notReady', `it was frozen for ${formatMs(this.frozenMs)}`);
    await thawNode(this.#name);
    this.#frozenAt = Number.POSITIVE_INFINITY;
    await this.isUsable(signal);
  }

  /**
   * Resolves when it is as if it had never been frozen: it is ready, its lease is fresh, and its API has taken a write.
   * @throws DeadlineExceeded
   */
  async isUsable(signal: AbortSignal): Promise<void> {
    await until(this.#isCurrent, { timeoutMs: wakesWithinMs }, signal);
  }
}

/** Since when the kubelet has not renewed its lease, in ms. */
type LeaseAge = (signal: AbortSignal) => Promise<number>;

interface Looks {
  /** Passes while a node is as if it had never been frozen. */
  readonly isCurrent: Probe;
  readonly leaseAge: LeaseAge;
}

function looksAt(config: NodeConfig, ip: string): Looks {
  const { nodeName: node, network } = config;
  const api = adminAt(`https://${ip}:${network.apiserverPort}`, nodePaths(config.name, config.dataDir));
  const isReady = nodeReady({ ...api, node });
  const lease = `/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/${node}`;
  const getLease = apiObject(api, lease, `node ${node} has no lease`);
  const { server, ...tls } = api;
  const path = '/api/v1/namespaces/kube-node-lease/configmaps';
  const name = 'k8s-single-pool';
  const body = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
  const headers = { 'content-type': 'application/json' };
  const create = httpClient(`${server}${path}`, { ...tls, method: 'POST', headers, body });
  const remove = httpClient(`${server}${path}/${name}`, { ...tls, method: 'DELETE' });
  const hasWritten = async (signal: AbortSignal): Promise<void> => {
    const created = await create(signal);
    const removed = await remove(signal);
    // One that is there is of an attempt whose answer was not awaited.
    for (const { status } of [created, removed])
      if (status !== 200 && status !== 201) throw new Unhealthy(`the API takes no write: status ${status}`);
  };
  const leaseAge: LeaseAge = async (signal) =>
    Date.now() - Date.parse(textAt(await getLease(signal), 'spec', 'renewTime'));
  const isFresh = async (signal: AbortSignal): Promise<void> => {
    if (!((await leaseAge(signal)) < renewEveryMs))
      throw new Unhealthy(`the kubelet of node ${node} has not renewed its lease`);
  };
  const isCurrent = async (signal: AbortSignal): Promise<void> => {
    await Promise.all([isReady(signal), isFresh(signal)]);
    await hasWritten(signal);
  };
  return { isCurrent, leaseAge };
}
