import type { Probe } from '../../../probes/probe.ts';
import { ownLabels } from '../../helper/cluster/objects.ts';
import { servingSigner } from '../../helper/workers/request.ts';
import { apply } from '../components/bootstrapSteps.ts';
import { grantRights } from '../components/rights.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';
import { clusterConfigMap, clusterFactsOf, clusterPath } from './cluster.ts';
import { joinGroup } from './token.ts';

// Who may do what so that machines can join, and stay. The same as kubeadm's, where kubeadm has it.

const api = 'rbac.authorization.k8s.io';
/** The user of each kubelet has it. */
const nodesGroup = 'system:nodes';

/** What the helper process does for workers: see src/helper/workers/. */
const helperRules = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['list', 'watch', 'patch'] },
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests'],
    verbs: ['list', 'watch'],
  },
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['certificatesigningrequests/approval'],
    verbs: ['update'],
  },
  {
    apiGroups: ['certificates.k8s.io'],
    resources: ['signers'],
    resourceNames: [servingSigner],
    verbs: ['approve'],
  },
];

/** Roles of ours. A new machine looks whether its name is taken; a worker that leaves deletes its Node: NodeRestriction allows no other. */
const roles = {
  'k8s-single:see-nodes': [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
  'k8s-single:leave': [{ apiGroups: [''], resources: ['nodes'], verbs: ['delete'] }],
};

const approval = 'system:certificates.k8s.io:certificatesigningrequests';

/** Bindings by name: a group, and a ClusterRole. */
const bindings: Readonly<Record<string, readonly [group: string, role: string]>> = {
  'k8s-single:request-certificate': [joinGroup, 'system:node-bootstrapper'],
  'k8s-single:see-nodes': [joinGroup, 'k8s-single:see-nodes'],
  // kube-controller-manager approves these by itself.
  'k8s-single:approve-new-nodes': [joinGroup, `${approval}:nodeclient`],
  'k8s-single:approve-renewal': [nodesGroup, `${approval}:selfnodeclient`],
  // The kube-proxy of a worker is its kubelet's user: a certificate of its own would lie beside the kubelet's and protect nothing.
  'k8s-single:node-proxier': [nodesGroup, 'system:node-proxier'],
  'k8s-single:leave': [nodesGroup, 'k8s-single:leave'],
};

/** Lets machines with a token join: the rights of tokens, of workers, and of the helper, and the ConfigMap of the cluster. */
export function publishCluster(facts: NodeFacts): Probe {
  const access = adminAccess(facts);
  const grant = grantRights(facts, 'k8s-single:workers', helperRules);
  const objects = clusterObjects(facts);
  return async (signal) => {
    await grant(signal);
    for (const [path, object] of objects) await apply(access, path, object)(signal);
  };
}

/** The objects by their paths. */
function clusterObjects(facts: NodeFacts): (readonly [path: string, object: object])[] {
  const { namespace, name, key } = clusterConfigMap;
  const rbac = (kind: string, object: object, own: { name: string; namespace?: string }) => {
    const metadata = { ...own, labels: ownLabels };
    const scope = own.namespace === undefined ? '' : `/namespaces/${own.namespace}`;
    const path = `/apis/${api}/v1${scope}/${kind.toLowerCase()}s/${encodeURIComponent(own.name)}`;
    return [path, { apiVersion: `${api}/v1`, kind, metadata, ...object }] as const;
  };
  const groups = (...names: string[]) =>
    names.map((group) => ({ apiGroup: api, kind: 'Group', name: group }));
  const own = { namespace, name: 'k8s-single:cluster' };
  return [
    ...Object.entries(roles).map(([role, rules]) => rbac('ClusterRole', { rules }, { name: role })),
    ...Object.entries(bindings).map(([binding, [group, role]]) =>
      rbac(
        'ClusterRoleBinding',
        { roleRef: { apiGroup: api, kind: 'ClusterRole', name: role }, subjects: groups(group) },
        { name: binding },
      ),
    ),
    rbac(
      'Role',
      { rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: [name], verbs: ['get'] }] },
      own,
    ),
    rbac(
      'RoleBinding',
      { roleRef: { apiGroup: api, kind: 'Role', name: own.name }, subjects: groups(joinGroup, nodesGroup) },
      own,
    ),
    [
      clusterPath,
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { namespace, name, labels: ownLabels },
        data: { [key]: JSON.stringify(clusterFactsOf(facts.config, facts.kubernetesVersion)) },
      },
    ],
  ];
}
