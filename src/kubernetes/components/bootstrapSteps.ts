import { apiObject } from '../../../probes/kinds/api.ts';
import type { Api } from '../../../probes/kinds/api.ts';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import { wrongStatus } from '../../../probes/kinds/http.ts';
import { at, listAt } from '../../../probes/transport/json.ts';
import type { Probe } from '../../../probes/probe.ts';

// What the controllers of Kubernetes would do by themselves, but later.

/** The taint with which the API server admits each node, so that it takes no pod before it is ready (TaintNodesByCondition). */
const notReady = 'node.kubernetes.io/not-ready';

/**
 * Makes the default account, as the controller manager does when it has begun all that it does (pkg/controller/serviceaccount): half
 * a second after the one of its controllers that gives it a token. Passes when it is there, whoever has made it.
 */
export function ensureDefaultServiceAccount(access: Api): Probe {
  const accounts = '/api/v1/namespaces/default/serviceaccounts';
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  const what = { method: 'POST', type: 'application/json', body: account } as const;
  // Made just now, or there already.
  return change(access, accounts, what, [201, 409]);
}

/**
 * Gives the node its pod range. A kubelet that sees it reports Ready at once (fastStatusUpdateOnce in
 * pkg/kubelet/kubelet_node_status.go) and not at its next report, up to 10 s later. The range never changes: setting it
 * to what it is already is no change.
 */
export function setPodCidr(access: Api, node: string, cidr: string): Probe {
  return patchNode(access, node, 'strategic-merge-patch', { spec: { podCIDR: cidr, podCIDRs: [cidr] } });
}

/**
 * Of a node that is Ready: takes away the taint that says it is not, as the controller manager does when it has begun all that it does
 * (pkg/controller/nodelifecycle). A pod that comes before is refused, and only tried again a second later. Passes when there is none.
 */
export function removeNotReadyTaint(access: Api, node: string): Probe {
  const get = apiObject(access, nodePath(node), `node ${node} is not registered`);
  return async (signal) => {
    const taints = listAt(await get(signal), 'spec', 'taints');
    const others = taints.filter(
      (taint) => at(taint, 'key') !== notReady || at(taint, 'effect') !== 'NoSchedule',
    );
    if (others.length === taints.length) return;
    // Not if they are others meanwhile: the next look sees them.
    const path = '/spec/taints';
    const patch = [
      { op: 'test', path, value: taints },
      { op: 'replace', path, value: others },
    ];
    await patchNode(access, node, 'json-patch', patch)(signal);
  };
}

function patchNode(access: Api, node: string, kind: string, patch: unknown): Probe {
  const what = { method: 'PATCH', type: `application/${kind}+json`, body: patch } as const;
  return change(access, nodePath(node), what, [200]);
}

function nodePath(node: string): string {
  return `/api/v1/nodes/${encodeURIComponent(node)}`;
}

/** Changes something of the cluster at each look. Passes when the status of the answer is one of these. */
function change(
  { server, ...tls }: Api,
  path: string,
  { method, type, body }: { method: 'PATCH' | 'POST'; type: string; body: unknown },
  accepted: readonly number[],
): Probe {
  const url = `${server}${path}`;
  // The API server keeps with the object who has changed it (managedFields).
  const headers = { 'content-type': type, 'user-agent': 'k8s-single' };
  const ask = httpClient(url, { ...tls, method, headers, body: JSON.stringify(body) });
  return async (signal) => {
    const answer = await ask(signal);
    if (!accepted.includes(answer.status)) throw wrongStatus(answer, url, tls.cert);
  };
}
