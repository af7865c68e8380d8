import type { Probe } from '../../../probes/probe.ts';
import { ownLabels } from '../../helper/cluster/objects.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { helperUser } from '../pki/leaves.ts';
import { apply, remove } from './bootstrapSteps.ts';

const api = 'rbac.authorization.k8s.io';

function pathsOf(name: string): { readonly role: string; readonly binding: string } {
  const [role = '', binding = ''] = ['clusterroles', 'clusterrolebindings'].map(
    (resource) => `/apis/${api}/v1/${resource}/${encodeURIComponent(name)}`,
  );
  return { role, binding };
}

/** Gives `users` the rights of one part of the node, as the ClusterRole `name`. */
export function grantRights(
  facts: NodeFacts,
  name: string,
  rules: readonly object[],
  users: readonly string[] = [helperUser],
): Probe {
  const access = adminAccess(facts);
  const paths = pathsOf(name);
  const metadata = { name, labels: ownLabels };
  const role = { apiVersion: `${api}/v1`, kind: 'ClusterRole', metadata, rules };
  const binding = {
    apiVersion: `${api}/v1`,
    kind: 'ClusterRoleBinding',
    metadata,
    roleRef: { apiGroup: api, kind: 'ClusterRole', name },
    subjects: users.map((user) => ({ apiGroup: api, kind: 'User', name: user })),
  };
  return async (signal) => {
    await apply(access, paths.role, role)(signal);
    await apply(access, paths.binding, binding)(signal);
  };
}

/** Deletes the object at each of these paths, or the objects, and the rights with this name. */
export function withdrawAll(facts: NodeFacts, paths: readonly string[], name: string): Probe {
  const access = adminAccess(facts);
  const { role, binding } = pathsOf(name);
  return async (signal) => {
    for (const path of [...paths, binding, role]) await remove(access, path)(signal);
  };
}
