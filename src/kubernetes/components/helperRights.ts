import type { Probe } from '../../../probes/probe.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { helperUser } from '../pki/leaves.ts';
import { change } from './bootstrapSteps.ts';

const api = 'rbac.authorization.k8s.io';
/** Marks objects as ours. */
export const ownLabel = { name: 'app.kubernetes.io/managed-by', value: 'k8s-single' } as const;

function pathsOf(name: string): string[] {
  return ['clusterroles', 'clusterrolebindings'].map(
    (resource) => `/apis/${api}/v1/${resource}/${encodeURIComponent(name)}`,
  );
}

/** Gives the helper the rights of one of its parts, as the ClusterRole `name`. */
export function grantRights(facts: NodeFacts, name: string, rules: readonly object[]): Probe {
  const access = adminAccess(facts);
  const metadata = { name, labels: { [ownLabel.name]: ownLabel.value } };
  const role = { apiVersion: `${api}/v1`, kind: 'ClusterRole', metadata, rules };
  const binding = {
    apiVersion: `${api}/v1`,
    kind: 'ClusterRoleBinding',
    metadata,
    roleRef: { apiGroup: api, kind: 'ClusterRole', name },
    subjects: [{ apiGroup: api, kind: 'User', name: helperUser }],
  };
  const [rolePath = '', bindingPath = ''] = pathsOf(name);
  return async (signal) => {
    for (const [path, body] of [
      [rolePath, role],
      [bindingPath, binding],
    ] as const) {
      const url = `${path}?fieldManager=k8s-single&force=true`;
      const type = 'application/apply-patch+yaml';
      await change(access, url, { method: 'PATCH', type, body }, [200, 201])(signal);
    }
  };
}

/** Deletes the object at each of these paths, or the objects, and the rights with this name. */
export function withdrawAll(facts: NodeFacts, paths: readonly string[], name: string): Probe {
  const access = adminAccess(facts);
  const remove = { method: 'DELETE', type: 'application/json', body: {} } as const;
  return async (signal) => {
    for (const path of [...paths, ...pathsOf(name).toReversed()])
      await change(access, path, remove, [200, 202, 404])(signal);
  };
}
