import type { Probe } from '../../../probes/probe.ts';
import { change } from '../components/bootstrapSteps.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { helperUser } from '../pki/leaves.ts';

const api = 'rbac.authorization.k8s.io';
const name = 'k8s-single:storage';
const label = 'app.kubernetes.io/managed-by';
const classes = '/apis/storage.k8s.io/v1/storageclasses';
const metadata = { name, labels: { [label]: 'k8s-single' } };
const pathOf = (resource: string): string => `/apis/${api}/v1/${resource}/${encodeURIComponent(name)}`;

/** What the provisioner does: see src/helper/storage/provisioner.ts. */
const rules = [
  { apiGroups: [''], resources: ['persistentvolumes'], verbs: ['list', 'watch', 'create', 'delete'] },
  { apiGroups: [''], resources: ['persistentvolumeclaims'], verbs: ['list', 'watch'] },
  { apiGroups: [''], resources: ['events'], verbs: ['create'] },
  {
    apiGroups: ['storage.k8s.io'],
    resources: ['storageclasses'],
    verbs: ['list', 'watch', 'create', 'patch'],
  },
];

const role = { apiVersion: `${api}/v1`, kind: 'ClusterRole', metadata, rules };
const binding = {
  apiVersion: `${api}/v1`,
  kind: 'ClusterRoleBinding',
  metadata,
  roleRef: { apiGroup: api, kind: 'ClusterRole', name },
  subjects: [{ apiGroup: api, kind: 'User', name: helperUser }],
};

/** Gives the helper the rights of the provisioner. */
export function grantStorage(facts: NodeFacts): Probe {
  const access = adminAccess(facts);
  const objects = { clusterroles: role, clusterrolebindings: binding };
  return async (signal) => {
    for (const [resource, body] of Object.entries(objects)) {
      const path = `${pathOf(resource)}?fieldManager=k8s-single&force=true`;
      const type = 'application/apply-patch+yaml';
      await change(access, path, { method: 'PATCH', type, body }, [200, 201])(signal);
    }
  };
}

/** Removes the class and the rights of an earlier start. Volumes stay. */
export function withdrawStorage(facts: NodeFacts): Probe {
  const access = adminAccess(facts);
  const ours = `${classes}?labelSelector=${encodeURIComponent(`${label}=k8s-single`)}`;
  const paths = [ours, pathOf('clusterrolebindings'), pathOf('clusterroles')];
  return async (signal) => {
    for (const path of paths)
      await change(
        access,
        path,
        { method: 'DELETE', type: 'application/json', body: {} },
        [200, 202, 404],
      )(signal);
  };
}
