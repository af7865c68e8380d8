/** Something a node needs from the machine: a program, or (with `files`) a folder that holds several. */
export interface BinarySpec {
  readonly name: string;
  /** The Debian package that brings it. Without one it comes from the Kubernetes source. */
  readonly debian?: string;
  /** What makes it tell its version; its answer is searched for {@link says}. */
  readonly ask: readonly string[];
  /** The first group is the version. Default: the first thing that looks like 1.2 or 1.2.3-x. */
  readonly says?: RegExp;
  /** Must run without any library, because it is alone in an image. */
  readonly static?: true;
  /** The programs that must lie together in one folder: the need is that folder. */
  readonly files?: readonly string[];
}

/** Everything a node needs, the one table of it. */
export const nodeBinaries = [
  { name: 'etcd', debian: 'etcd-server', ask: ['--version'] },
  { name: 'kube-apiserver', ask: ['--version'] },
  { name: 'kube-controller-manager', ask: ['--version'] },
  { name: 'kube-scheduler', ask: ['--version'] },
  { name: 'kubelet', ask: ['--version'] },
  { name: 'kube-proxy', ask: ['--version'] },
  // Not from Debian's kubernetes-client: that one has the reflect2 that crashes (see kubernetes.ts).
  { name: 'kubectl', ask: ['version', '--client'] },
  { name: 'containerd', debian: 'containerd', ask: ['--version'] },
  { name: 'containerd-shim-runc-v2', debian: 'containerd', ask: ['-v'] },
  { name: 'ctr', debian: 'containerd', ask: ['--version'] },
  { name: 'runc', debian: 'runc', ask: ['--version'] },
  {
    name: 'cni',
    debian: 'containernetworking-plugins',
    files: ['bridge', 'host-local', 'loopback', 'portmap'],
    ask: [],
    // Debian's build answers "version unknown".
    says: /CNI \S+ plugin (?:version )?v?(\S+)/,
  },
  { name: 'iptables', debian: 'iptables', ask: ['--version'] },
  { name: 'iptables-save', debian: 'iptables', ask: ['--version'] },
  { name: 'iptables-restore', debian: 'iptables', ask: ['--version'] },
  { name: 'ip6tables', debian: 'iptables', ask: ['--version'] },
  { name: 'ip6tables-save', debian: 'iptables', ask: ['--version'] },
  { name: 'ip6tables-restore', debian: 'iptables', ask: ['--version'] },
  { name: 'conntrack', debian: 'conntrack', ask: ['--version'] },
  { name: 'ip', debian: 'iproute2', ask: ['-V'] },
  { name: 'nsenter', debian: 'util-linux', ask: ['--version'] },
  { name: 'unshare', debian: 'util-linux', ask: ['--version'] },
  { name: 'mount', debian: 'mount', ask: ['--version'] },
  // The pause image.
  { name: 'catatonit', debian: 'catatonit', ask: ['--version'], static: true },
] as const satisfies readonly BinarySpec[];

/** What a box is made with. */
export const sandboxBinaries: readonly BinarySpec[] = nodeBinaries.filter(({ name }) =>
  ['ip', 'mount', 'nsenter'].includes(name),
);

/** What a test image is built from where none can be pulled. */
export const imageBinaries = [
  { name: 'busybox', debian: 'busybox-static', ask: ['--help'], static: true },
] as const satisfies readonly BinarySpec[];

/** The components that must agree in version, as the Kubernetes source builds them. */
export const kubernetesBinaries = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;
