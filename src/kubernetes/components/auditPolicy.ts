/** Requests of the control plane and of the kubelet: thousands an hour, none of which a person has made. */
const ownUsers = [
  'system:apiserver',
  'system:kube-controller-manager',
  'system:kube-scheduler',
  'system:kube-proxy',
  'system:coredns',
  'k8s-single:helper',
];
/** The controllers of the controller manager are accounts of kube-system (`--use-service-account-credentials`). */
const ownGroups = ['system:nodes', 'system:serviceaccounts:kube-system'];

const core = (...resources: readonly string[]) => ({ group: '', resources });

/**
 * What the API server writes to its audit log: who has changed something, has read a Secret or asked for a token, or has entered
 * a pod. The CIS Kubernetes Benchmark asks for these (3.2.2). Never a body of a request: it may be a Secret.
 */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    {
      level: 'None',
      nonResourceURLs: ['/healthz*', '/livez*', '/readyz*', '/version', '/openapi/*', '/api*'],
    },
    { level: 'None', users: ownUsers },
    { level: 'None', userGroups: ownGroups },
    {
      level: 'None',
      resources: [core('events'), { group: 'events.k8s.io' }, { group: 'coordination.k8s.io' }],
    },
    {
      level: 'Metadata',
      resources: [
        core('secrets', 'serviceaccounts/token'),
        { group: 'authentication.k8s.io', resources: ['tokenreviews'] },
        core('pods/exec', 'pods/attach', 'pods/portforward', 'pods/proxy', 'services/proxy', 'nodes/proxy'),
      ],
    },
    { level: 'None', verbs: ['get', 'list', 'watch'] },
    { level: 'Metadata' },
  ],
} as const;
