import { apiObject } from '../../probes/api.ts';
import { asker } from '../../probes/ask.ts';
import { http, wrongStatus } from '../../probes/http.ts';
import { nodeReady } from '../../probes/nodeReady.ts';
import type { Probe } from '../../probes/probe.ts';
import { serviceAccount } from '../../probes/serviceAccount.ts';
import { until } from '../../probes/until.ts';
import type { Need, Task } from '../component.ts';
import { adminAccess, localServer } from './clients.ts';
import type { NodeFacts } from './facts.ts';
import { pkiPaths } from './pki/paths.ts';

const timeoutMs = 120_000;

/** For what others wait for: seen 25 ms late on average, and not 125. */
const closeLook = { timeoutMs, maxIntervalMs: 50 };

/**
 * The API server lets the scheduler in: in an empty cluster when its start-up hooks have made the roles, in one that has them a
 * second before it is ready, because its hooks wait for one all the same (rbac/bootstrap-roles). The cores are idle then.
 */
export function roles(facts: NodeFacts, needs: readonly Need[]): Task {
  const { ca, scheduler } = pkiPaths(facts.paths.pki);
  const allowed = http(`${localServer(facts)}/api/v1/nodes?limit=1`, { ca: ca.cert, ...scheduler });
  return {
    kind: 'task',
    name: 'roles',
    needs,
    timeoutMs,
    run: async (signal, onMiss) => until(allowed, { ...closeLook, onMiss }, signal),
  };
}

/** Kubernetes' own word that the node takes pods: its condition Ready. */
export function nodeMilestone(facts: NodeFacts, needs: readonly Need[]): Task {
  const node = facts.config.nodeName;
  const access = adminAccess(facts);
  const get = apiObject(access, `/api/v1/nodes/${node}`, `the kubelet has not registered ${node} yet`);
  const registered: Probe = async (signal) => void (await get(signal));
  return {
    kind: 'task',
    name: 'node',
    needs,
    timeoutMs,
    run: async (signal, onMiss) => {
      await until(registered, { ...closeLook, onMiss }, signal);
      await giveRange(facts, signal);
      await until(nodeReady({ ...access, node }), { timeoutMs, onMiss }, signal);
    },
  };
}

/** The account that every pod runs as unless told otherwise: before it exists no pod is admitted. */
export function defaultAccount(facts: NodeFacts, needs: readonly Need[]): Task {
  // Up to 1.20 a pod is refused until the account has a token Secret; from 1.24 on there is none, and from 1.21 no need.
  const exists = serviceAccount({ ...adminAccess(facts), token: facts.minor <= 20 });
  return {
    kind: 'task',
    name: 'default-account',
    needs,
    timeoutMs,
    run: async (signal, onMiss) => until(exists, { timeoutMs, onMiss }, signal),
  };
}

/**
 * Gives the node its pod range. A kubelet that sees it reports Ready at once (fastStatusUpdateOnce in
 * pkg/kubelet/kubelet_node_status.go) and not at its next report, up to 10 s later. The range never changes: setting it
 * to what it is already is no change.
 */
async function giveRange(facts: NodeFacts, signal: AbortSignal): Promise<void> {
  const { server, ...tls } = adminAccess(facts);
  const { podCidr } = facts.config.network;
  const node = `${server}/api/v1/nodes/${facts.config.nodeName}`;
  const answer = await asker(node, {
    ...tls,
    method: 'PATCH',
    headers: { 'content-type': 'application/strategic-merge-patch+json' },
    body: JSON.stringify({ spec: { podCIDR: podCidr, podCIDRs: [podCidr] } }),
  })(signal);
  if (answer.status !== 200) throw wrongStatus(answer, node, tls.cert);
}
