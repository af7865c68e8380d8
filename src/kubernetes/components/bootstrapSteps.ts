import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { apiObject } from '../../../probes/kinds/api.ts';
import type { Api } from '../../../probes/kinds/api.ts';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import { wrongStatus } from '../../../probes/kinds/http.ts';
import { listAt, textAt } from '../../../probes/transport/json.ts';
import type { Probe } from '../../../probes/probe.ts';
import { nodePath, withoutNotReady } from '../../helper/workers/node.ts';
import { secretToken } from '../pki/serviceAccountToken.ts';

// Changes that the controllers of Kubernetes would make as well, but later. Each probe makes the change and
// passes when it is made.

/**
 * Creates the namespace `default`. The API server does so only once it is ready (RunKubernetesService in kk
 * pkg/controlplane/controller.go), more than a second after its first answer.
 */
export function ensureDefaultNamespace(access: Api): Probe {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } };
  return change(access, '/api/v1/namespaces', { method: 'POST', type: 'application/json', body }, [201, 409]);
}

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
 * Gives the default ServiceAccount a token, without which pods are not admitted before 1.21. The controller manager does so more than
 * a second later: it begins when the API server is ready, which is that long after its first answer.
 */
export function ensureDefaultToken(access: Api, files: AccountFiles): Probe {
  const namespace = '/api/v1/namespaces/default';
  const account = `${namespace}/serviceaccounts/default`;
  const get = apiObject(access, account, 'the default ServiceAccount is not there yet');
  // Once: whatever becomes of an attempt, there is one Secret at most.
  const name = `default-token-${randomBytes(3).toString('hex').slice(1)}`;
  let isMade = false;
  return async (signal) => {
    const found = await get(signal);
    const secrets = listAt(found, 'secrets').map((each) => textAt(each, 'name'));
    if (secrets.length > 0) {
      // The controller manager was quicker.
      if (isMade && !secrets.includes(name)) await remove(access, `${namespace}/secrets/${name}`)(signal);
      return;
    }
    const [uid, resourceVersion] = [
      textAt(found, 'metadata', 'uid'),
      textAt(found, 'metadata', 'resourceVersion'),
    ];
    const [ca, key] = await Promise.all([readFile(files.ca), readFile(files.key, 'utf8')]);
    const token = secretToken(key, { namespace: 'default', account: 'default', uid, secret: name });
    const annotations = {
      'kubernetes.io/service-account.name': 'default',
      'kubernetes.io/service-account.uid': uid,
    };
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/service-account-token',
      metadata: { name, annotations },
      data: { 'ca.crt': base64(ca), namespace: base64('default'), token: base64(token) },
    };
    const json = 'application/json';
    isMade = true;
    await change(
      access,
      `${namespace}/secrets`,
      { method: 'POST', type: json, body: secret },
      [201, 409],
    )(signal);
    // Refused if the account has changed since.
    const patch = { metadata: { resourceVersion }, secrets: [{ name }] };
    const type = 'application/strategic-merge-patch+json';
    await change(access, account, { method: 'PATCH', type, body: patch }, [200])(signal);
  };
}

/** Paths of PEM files: of what pods are to trust, and of the key that signs the tokens of the accounts. */
interface AccountFiles {
  readonly ca: string;
  readonly key: string;
}

function base64(value: string | Buffer): string {
  return Buffer.from(value).toString('base64');
}

/**
 * Publishes the CA for the pods of the namespace `default`, which do not start without it since 1.21. The controller manager does so
 * when it has started.
 */
export function ensureRootCa(access: Api, { ca }: Pick<AccountFiles, 'ca'>): Probe {
  return async (signal) => {
    const data = { 'ca.crt': await readFile(ca, 'utf8') };
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: rootCaName }, data };
    const path = '/api/v1/namespaces/default/configmaps';
    await change(access, path, { method: 'POST', type: 'application/json', body }, [201, 409])(signal);
  };
}

/** RootCACertConfigMapName in kk pkg/controller/certificates/rootcacertpublisher. */
const rootCaName = 'kube-root-ca.crt';

/**
 * Sets the node's pod range. A kubelet that sees it reports Ready at once (fastStatusUpdateOnce in
 * pkg/kubelet/kubelet_node_status.go) instead of at its next report, up to 10 s later. The range of a node is
 * immutable: the API server accepts the same range again and refuses any other.
 */
export function setPodCidr(access: Api, node: string, cidr: string): Probe {
  return patchNode(access, node, 'strategic-merge-patch', { spec: { podCIDR: cidr, podCIDRs: [cidr] } });
}

/**
 * Removes the not-ready taints from a node that is Ready. The controller manager does so only once all its
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

/** Sets these annotations of the Node. */
export function annotateNode(
  access: Api,
  node: string,
  annotations: Readonly<Record<string, string>>,
): Probe {
  return patchNode(access, node, 'merge-patch', { metadata: { annotations } });
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
