import { isIPv4 } from 'node:net';
import type { CertificateName } from './paths.ts';

/** Where the node is reached and what it is called. */
export interface Identity {
  /** The Node object's name. */
  readonly nodeName: string;
  readonly nodeIp: string;
  /** The first address of the service CIDR: the Service `kubernetes` in `default`. */
  readonly serviceIp: string;
  /** Such as `cluster.local`. */
  readonly clusterDomain: string;
  /** More names and addresses under which the API server is reached. */
  readonly extraSans?: readonly string[];
}

/** The user of the helper process. */
export const helperUser = 'k8s-single:helper';

type Issuer = 'ca' | 'frontProxyCa' | 'etcdCa';

/** A certificate that is not a CA: all that must be right about it. */
export interface Leaf {
  readonly name: Exclude<CertificateName, Issuer>;
  readonly issuer: Issuer;
  /** The user's name in Kubernetes. */
  readonly commonName: string;
  /** The user's group in Kubernetes. */
  readonly organization?: string;
  /** `peer`: both, for servers that are each other's clients. */
  readonly usage: 'serverAuth' | 'clientAuth' | 'peer';
  /** DNS names and IP addresses. */
  readonly sans: readonly string[];
}

/** The subjects of the CAs: kubeadm's names for the second and the third. */
export const authorityNames: Readonly<Record<Issuer, string>> = {
  ca: 'kubernetes-ca',
  frontProxyCa: 'front-proxy-ca',
  etcdCa: 'etcd-ca',
};

/**
 * etcd's own certificate, for both of its ports, and that of its clients. Of a CA of their own: etcd lets everybody in whom its
 * CA has signed, and no user of the API may read the cluster's data.
 */
export const etcdLeaves: readonly Leaf[] = [
  {
    // It is a client of itself, too: its gateway for JSON.
    name: 'etcd',
    issuer: 'etcdCa',
    commonName: 'etcd',
    usage: 'peer',
    sans: ['localhost', '127.0.0.1'],
  },
  {
    name: 'apiserverEtcd',
    issuer: 'etcdCa',
    commonName: 'kube-apiserver-etcd-client',
    usage: 'clientAuth',
    sans: [],
  },
];

/**
 * Every leaf certificate of a one-node cluster but {@link etcdLeaves}. Users and groups are those of Kubernetes' own RBAC bindings
 * (https://kubernetes.io/docs/setup/best-practices/certificates/).
 */
export function leaves(identity: Identity): readonly Leaf[] {
  const { nodeName, nodeIp, serviceIp, clusterDomain, extraSans = [] } = identity;
  const node = { issuer: 'ca', commonName: `system:node:${nodeName}`, organization: 'system:nodes' } as const;
  const client = { issuer: 'ca', usage: 'clientAuth', sans: [] } as const;
  return [
    {
      name: 'apiserver',
      issuer: 'ca',
      commonName: 'kube-apiserver',
      usage: 'serverAuth',
      sans: unique([...apiserverNames(clusterDomain), nodeName, serviceIp, nodeIp, ...extraSans]),
    },
    { ...node, name: 'kubeletServer', usage: 'serverAuth', sans: unique([nodeName, nodeIp, '127.0.0.1']) },
    {
      // For the controller manager's and the scheduler's own ports, which only a probe on this machine asks.
      name: 'controlLoop',
      issuer: 'ca',
      commonName: 'control-loop',
      usage: 'serverAuth',
      sans: ['localhost', '127.0.0.1'],
    },
    { ...node, name: 'kubelet', usage: 'clientAuth', sans: [] },
    {
      ...client,
      name: 'apiserverKubelet',
      commonName: 'kube-apiserver-kubelet-client',
      organization: 'system:masters',
    },
    { ...client, name: 'frontProxyClient', issuer: 'frontProxyCa', commonName: 'front-proxy-client' },
    { ...client, name: 'admin', commonName: 'admin', organization: 'system:masters' },
    { ...client, name: 'controllerManager', commonName: 'system:kube-controller-manager' },
    { ...client, name: 'scheduler', commonName: 'system:kube-scheduler' },
    { ...client, name: 'proxy', commonName: 'system:kube-proxy' },
    { ...client, name: 'dns', commonName: 'system:coredns' },
    { ...client, name: 'helper', commonName: helperUser },
  ];
}

/** The names of every API server, with loopback. */
export function apiserverNames(clusterDomain: string): readonly string[] {
  const service = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'];
  return [...service, `kubernetes.default.svc.${clusterDomain}`, 'localhost', '127.0.0.1'];
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}

/**
 * Whether a name in a certificate is an IP address. Not with `isIP`, which compiles a regular expression for IPv6 for
 * 7 ms at the first name that is not IPv4.
 */
export function isAddress(name: string): boolean {
  return isIPv4(name) || name.includes(':');
}
