import { apiObject } from '../../../probes/kinds/api.ts';
import type { Api } from '../../../probes/kinds/api.ts';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import { wrongStatus } from '../../../probes/kinds/http.ts';
import { listAt } from '../../../probes/transport/json.ts';
import type { Probe } from '../../../probes/probe.ts';
import { nodePath, withoutNotReady } from '../../helper/workers/node.ts';

// Changes that the controllers of Kubernetes would make as well, but later. Each probe makes the change and
// passes when it is made.

/**
 * Creates the default ServiceAccount. The controller manager does so only once all its controllers are
 * started (pkg/controller/serviceaccount): half a second after the controller that creates the account's
 * token.
 */
export function ensureDefaultServiceAccount(access: Api): Probe {
  const path = '/api/v1/namespaces/default/serviceaccounts';
  const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } };
  // Created, or there already.
  return change(access, path, { method: 'POST', type: 'application/json', body }, [201, 409]);
}

/**
 * Sets the node's pod range. A kubelet that sees it reports Ready at once (fastStatusUpdateOnce in
 * pkg/kubelet/kubelet_node_status.go) instead of at its next report, up to 10 s later. The range of a node is
 * immutable: the API server accepts the same range again and refuses any other.
 */
export function setPodCidr(access: Api, node: string, cidr: string): Probe {
  return patchNode(access, node, 'strategic-merge-patch', { spec: { podCIDR: cidr, podCIDRs: [cidr] } });
}

/**
 * Removes the not-ready taint from a node that is Ready. The controller manager does so only once all its
 * controllers are started (pkg/controller/nodelifecycle). A pod created before is unschedulable, and retried
 * only a second later. Passes when there is no such taint.
 */
export function removeNotReadyTaint(access: Api, node: string): Probe {
  const get = apiObject(access, nodePath(node), `node ${node} is not registered`);
  return async (signal) => {
    const patch = withoutNotReady(listAt(await get(signal), 'spec', 'taints'));
    // Fails when the taints have changed since. The next attempt reads them again.
    if (patch !== undefined) await patchNode(access, node, 'json-patch', patch)(signal);
  };
}

function patchNode(access: Api, node: string, kind: string, body: unknown): Probe {
  const type = `application/${kind}+json`;
  return change(access, nodePath(node), { method: 'PATCH', type, body }, [200]);
}

interface Change {
  readonly method: 'DELETE' | 'PATCH' | 'POST';
  /** The body's media type. */
  readonly type: string;
  readonly body: unknown;
}

/** Sends the request at each attempt. Passes when the status is one of `accepted`. */
export function change(
  { server, ...tls }: Api,
  path: string,
  { method, type, body }: Change,
  accepted: readonly number[],
): Probe {
  const url = `${server}${path}`;
  // The API server stores the user agent with the object as the manager of the changed fields
  // (managedFields).
  const headers = { 'content-type': type, 'user-agent': 'k8s-single' };
  const send = httpClient(url, { ...tls, method, headers, body: JSON.stringify(body) });
  return async (signal) => {
    const response = await send(signal);
    if (!accepted.includes(response.status)) throw wrongStatus(response, url, tls.cert);
  };
}

/** Server-side apply as the manager `k8s-single`: creates the object, or sets these fields of it. */
export function apply(access: Api, path: string, body: object): Probe {
  const url = `${path}?fieldManager=k8s-single&force=true`;
  return change(access, url, { method: 'PATCH', type: 'application/apply-patch+yaml', body }, [200, 201]);
}

/** Deletes the object, or the objects; passes if there is none. */
export function remove(access: Api, path: string): Probe {
  return change(access, path, { method: 'DELETE', type: 'application/json', body: {} }, [200, 202, 404]);
}
