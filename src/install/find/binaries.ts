/** What is published as an official release, by the name of its asset. */
type ReleaseName = 'kubernetes' | 'etcd' | 'containerd' | 'runc' | 'cni' | 'coredns' | 'catatonit';

/** Something a node needs from the machine: a program, or (with `files`) a folder that holds several. */
export interface BinarySpec {
  readonly name: string;
  /** The Debian package that has it. Without one, it is built from the Kubernetes source. */
  readonly debianPackage?: string;
  /** The official release that has it, if one does. */
  readonly release?: ReleaseName;
  /** Its file in that package, if it has another name. */
  readonly debianFile?: string;
  /** The arguments with which it prints its version. */
  readonly versionArgs: readonly string[];
  /** Its first group is the version in that output. Default: the first text like 1.2 or 1.2.3-x. */
  readonly versionPattern?: RegExp;
  /** Must run without any library, because it is alone in an image. */
  readonly static?: true;
  /** Programs that must be in one folder: that folder is the binary. */
  readonly files?: readonly string[];
}

/** Everything a node needs, in one table. */
export const nodeBinaries = [
  { name: 'etcd', debianPackage: 'etcd-server', release: 'etcd', versionArgs: ['--version'] },
  { name: 'kube-apiserver', release: 'kubernetes', versionArgs: ['--version'] },
  { name: 'kube-controller-manager', release: 'kubernetes', versionArgs: ['--version'] },
  { name: 'kube-scheduler', release: 'kubernetes', versionArgs: ['--version'] },
  { name: 'kubelet', release: 'kubernetes', versionArgs: ['--version'] },
  { name: 'kube-proxy', release: 'kubernetes', versionArgs: ['--version'] },
  // Not from Debian's kubernetes-client: that one has the reflect2 that crashes (see build/kubernetes.ts).
  { name: 'kubectl', release: 'kubernetes', versionArgs: ['version', '--client'] },
  { name: 'containerd', debianPackage: 'containerd', release: 'containerd', versionArgs: ['--version'] },
  {
    name: 'containerd-shim-runc-v2',
    debianPackage: 'containerd',
    release: 'containerd',
    versionArgs: ['-v'],
  },
  { name: 'ctr', debianPackage: 'containerd', release: 'containerd', versionArgs: ['--version'] },
  { name: 'runc', debianPackage: 'runc', release: 'runc', versionArgs: ['--version'] },
  {
    name: 'cni',
    debianPackage: 'containernetworking-plugins',
    release: 'cni',
    files: ['bridge', 'host-local', 'loopback', 'portmap'],
    versionArgs: [],
    // Debian's build prints "version unknown".
    versionPattern: /CNI \S+ plugin (?:version )?v?(\S+)/,
  },
  { name: 'iptables', debianPackage: 'iptables', versionArgs: ['--version'] },
  { name: 'iptables-save', debianPackage: 'iptables', versionArgs: ['--version'] },
  { name: 'iptables-restore', debianPackage: 'iptables', versionArgs: ['--version'] },
  { name: 'ip6tables', debianPackage: 'iptables', versionArgs: ['--version'] },
  { name: 'ip6tables-save', debianPackage: 'iptables', versionArgs: ['--version'] },
  { name: 'ip6tables-restore', debianPackage: 'iptables', versionArgs: ['--version'] },
  { name: 'conntrack', debianPackage: 'conntrack', versionArgs: ['--version'] },
  { name: 'ip', debianPackage: 'iproute2', versionArgs: ['-V'] },
  { name: 'nsenter', debianPackage: 'util-linux', versionArgs: ['--version'] },
  { name: 'unshare', debianPackage: 'util-linux', versionArgs: ['--version'] },
  { name: 'mount', debianPackage: 'mount', versionArgs: ['--version'] },
  // For the pause image.
  {
    name: 'catatonit',
    debianPackage: 'catatonit',
    release: 'catatonit',
    versionArgs: ['--version'],
    static: true,
  },
] as const satisfies readonly BinarySpec[];

/** The programs that set up a sandbox. */
export const sandboxBinaries: readonly BinarySpec[] = nodeBinaries.filter(({ name }) =>
  ['ip', 'mount', 'nsenter'].includes(name),
);

/** A node does without it: see host/egress.ts. */
export const egressBinaries = [
  {
    name: 'pasta',
    debianPackage: 'passt',
    // One program with two names.
    debianFile: 'passt',
    versionArgs: ['--version'],
    // Debian's build prints "unknown version".
    versionPattern: /^(?:pasta|passt) (.+)$/m,
  },
] as const satisfies readonly BinarySpec[];

/** The contents of a test image where none can be pulled. */
export const imageBinaries = [
  { name: 'busybox', debianPackage: 'busybox-static', versionArgs: ['--help'], static: true },
] as const satisfies readonly BinarySpec[];

/** The components whose versions must agree, as the Kubernetes source builds them. */
export const kubernetesBinaries = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;

/** CoreDNS, for which the embedded DNS server stands in where there is none. It prints "CoreDNS-1.11.1". */
export const coreDnsBinary: BinarySpec = {
  name: 'coredns',
  release: 'coredns',
  versionArgs: ['-version'],
  versionPattern: /CoreDNS-v?(\d+\.\d+\.\d+)/,
};

/** Everything that is published for a version of Kubernetes: what a bundle has. */
export const publishedBinaries: readonly BinarySpec[] = [
  ...nodeBinaries.filter((binary) => 'release' in binary),
  coreDnsBinary,
];
