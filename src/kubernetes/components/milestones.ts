import { apiObjectExists } from '../../../probes/kinds/api.ts';
import { http } from '../../../probes/kinds/http.ts';
import { NodeNotReady, nodeReady } from '../../../probes/kinds/nodeReady.ts';
import type { Probe } from '../../../probes/probe.ts';
import { until } from '../../../probes/until.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { nodePath } from '../../helper/workers/node.ts';
import { checkDisk } from '../../host/diskSpace.ts';
import {
  ensureDefaultNamespace,
  ensureDefaultServiceAccount,
  ensureDefaultToken,
  ensureRootCa,
  setPodCidr,
  removeNotReadyTaint,
} from './bootstrapSteps.ts';
import { keepsAddress } from '../../host/ownAddress.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { adminAccess, localServer } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { pkiPaths } from '../pki/paths.ts';

const timeoutMs = 120_000;

/** Other components, or the user, wait for each milestone: detect it 25 ms late on average, not 125 ms. */
const maxPeriodMs = 50;

/**
 * Ready when the API server authorizes the scheduler. In a new cluster: after the hook rbac/bootstrap-roles.
 * In an existing one the roles are already stored, but that hook still sleeps for a second: this is ready a
 * second before the API server, and the cores are idle then.
 */
export function roles(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { ca, scheduler } = pkiPaths(facts.paths.pki);
  const allowed = http(`${localServer(facts)}/api/v1/nodes?limit=1`, { ca: ca.cert, ...scheduler });
  return milestone('roles', needs, [waitUntil(allowed)]);
}

/** The kubelet looks every 10 s whether it is short of something. */
const nodeTiming = { periodMs: 4000, failureThreshold: 2 };

/**
 * Ready while the node accepts pods: it has its address and the condition Ready, is not short of disk, memory or process
 * IDs, and has no not-ready taint.
 * @param claim what is done as soon as it is registered
 */
export function nodeMilestone(facts: NodeFacts, needs: readonly Dependency[], claim?: Probe): Task {
  const { nodeName, network } = facts.config;
  const access = adminAccess(facts);
  const missing = `the kubelet has not registered ${nodeName} yet`;
  const ready = withFreeSpace(nodeReady({ ...access, node: nodeName }), facts);
  const hasAddress = keepsAddressUnlessSandboxed(facts);
  const task = milestone('node', needs, [
    waitUntil(hasAddress),
    waitUntil(apiObjectExists(access, nodePath(nodeName), missing)),
    ...(claim === undefined ? [] : [waitUntil(claim)]),
    // Once, without waiting: a node that has another range will never accept this one.
    setPodCidr(access, nodeName, network.podCidr),
    waitUntil(ready),
    waitUntil(removeNotReadyTaint(access, nodeName)),
  ]);
  return { ...task, ...staysReady(ready, hasAddress) };
}

/** The liveness of a node. An API server that does not answer is a reason of its own, and says nothing of the node. */
export function staysReady(ready: Probe, hasAddress: Probe): Pick<Task, 'live' | 'liveTiming'> {
  const live: Probe = async (signal) => {
    await hasAddress(signal);
    await ready(signal).catch((error: unknown) => {
      if (error instanceof NodeNotReady) throw error;
    });
  };
  return { live, liveTiming: nodeTiming };
}

/**
 * Certificates, and what the kubelet and the API server have told others, are for the address of the node. That of a machine
 * may change; a sandbox keeps its own.
 */
export function keepsAddressUnlessSandboxed({ config, ip, isSandboxed }: NodeFacts): Probe {
  if (isSandboxed) return async () => undefined;
  return keepsAddress(ip, `take the node down and up again: ${nodeCommand('down', { name: config.name })}`);
}

/** The kubelet's reason does not say how much is missing. */
export function withFreeSpace(probe: Probe, { config, paths }: NodeFacts): Probe {
  return async (signal) =>
    probe(signal).catch((cause: unknown) => {
      if (!(cause instanceof NodeNotReady) || !cause.message.includes('DiskPressure')) throw cause;
      const { level, message } = checkDisk(paths.data, config.kubelet.minFreeMiB, paths.kubelet);
      const again = level === 'problem' ? '' : ' again, which the kubelet sees within a minute';
      throw new NodeNotReady(`${cause.message} (${message}${again})`, { cause });
    });
}

/**
 * Ready when pods can use the default ServiceAccount, which is every pod's account by default: without it no pod is admitted, and
 * without its token Secret, or the ConfigMap with the cluster's CA, none is admitted or started either. The API server and the
 * controller manager would make all this, but a second later.
 */
export function defaultAccount(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const access = adminAccess(facts);
  const { ca, serviceAccount } = pkiPaths(facts.paths.pki);
  const files = { ca: ca.cert, key: serviceAccount.private };
  const ensureUsable =
    facts.differences.kubernetes.podsNeed === 'tokenSecret'
      ? ensureDefaultToken(access, files)
      : ensureRootCa(access, files);
  return milestone('default-account', needs, [
    waitUntil(ensureDefaultNamespace(access)),
    waitUntil(ensureDefaultServiceAccount(access)),
    waitUntil(ensureUsable),
  ]);
}

type Step = (signal: AbortSignal, onAttemptFailed: (reason: string) => void) => Promise<void>;

/** A task that does its steps one after the other. */
export function milestone(name: string, needs: readonly Dependency[], steps: readonly Step[]): Task {
  return {
    kind: 'task',
    name,
    needs,
    timeoutMs,
    run: async (signal, onAttemptFailed) => {
      for (const step of steps) await step(signal, onAttemptFailed);
    },
  };
}

/** Waits until the probe passes. */
export function waitUntil(probe: Probe): Step {
  return async (signal, onAttemptFailed) => until(probe, { timeoutMs, maxPeriodMs, onAttemptFailed }, signal);
}
