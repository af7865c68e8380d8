import { apiObject } from '../../../probes/kinds/api.ts';
import type { Api } from '../../../probes/kinds/api.ts';
import { http } from '../../../probes/kinds/http.ts';
import { nodeReady } from '../../../probes/kinds/nodeReady.ts';
import type { Probe } from '../../../probes/probe.ts';
import { serviceAccount } from '../../../probes/kinds/serviceAccount.ts';
import { until } from '../../../probes/until.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { ensureDefaultServiceAccount, setPodCidr, removeNotReadyTaint } from './bootstrapSteps.ts';
import { adminAccess, localServer } from '../kubeconfig/clients.ts';
import type { NodeFacts } from '../facts.ts';
import { pkiPaths } from '../pki/paths.ts';

const timeoutMs = 120_000;

/** Others, or who started the node, wait for it: seen 25 ms late on average, and not 125. */
const maxPeriodMs = 50;

/**
 * The API server lets the scheduler in: in an empty cluster when its start-up hooks have made the roles, in one that has them a
 * second before it is ready, because its hooks wait for one all the same (rbac/bootstrap-roles). The cores are idle then.
 */
export function roles(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { ca, scheduler } = pkiPaths(facts.paths.pki);
  const allowed = http(`${localServer(facts)}/api/v1/nodes?limit=1`, { ca: ca.cert, ...scheduler });
  return milestone('roles', needs, [waitUntil(allowed)]);
}

/** Kubernetes' own word that the node takes pods: its condition Ready, and no taint that says otherwise. */
export function nodeMilestone(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const { nodeName, network } = facts.config;
  const access = adminAccess(facts);
  const missing = `the kubelet has not registered ${nodeName} yet`;
  const get = apiObject(access, `/api/v1/nodes/${nodeName}`, missing);
  const registered: Probe = async (signal) => void (await get(signal));
  return milestone('node', needs, [
    waitUntil(registered),
    // A node keeps the range it has: one that refuses another will not take it later, either.
    setPodCidr(access, nodeName, network.podCidr),
    waitUntil(nodeReady({ ...access, node: nodeName })),
    waitUntil(removeNotReadyTaint(access, nodeName)),
  ]);
}

/**
 * The account that every pod runs as unless told otherwise: before it exists no pod is admitted. And what a pod of this account
 * needs that only the controller manager makes: up to 1.20 the account's token Secret, without which a pod is refused, too (from
 * 1.24 on there is none); from 1.21 on the CA that pods trust, without which none starts (BoundServiceAccountTokenVolume).
 */
export function defaultAccount(facts: NodeFacts, needs: readonly Dependency[]): Task {
  const access = adminAccess(facts);
  const usable = facts.minor <= 20 ? serviceAccount({ ...access, token: true }) : authorityPublished(access);
  return milestone('default-account', needs, [
    waitUntil(ensureDefaultServiceAccount(access)),
    waitUntil(usable),
  ]);
}

function authorityPublished(access: Api): Probe {
  const path = '/api/v1/namespaces/default/configmaps/kube-root-ca.crt';
  const get = apiObject(
    access,
    path,
    'the CA that pods trust is not published yet: kube-controller-manager does it',
  );
  return async (signal) => void (await get(signal));
}

type Step = (signal: AbortSignal, onAttemptFailed: (reason: string) => void) => Promise<void>;

/** Ready when each of the steps is done, one after the other. */
function milestone(name: string, needs: readonly Dependency[], steps: readonly Step[]): Task {
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
function waitUntil(probe: Probe): Step {
  return async (signal, onAttemptFailed) => until(probe, { timeoutMs, maxPeriodMs, onAttemptFailed }, signal);
}
