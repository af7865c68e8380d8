import type { NodeConfig } from '../config/schema/node.ts';
import type { Paths } from '../lib/paths.ts';

/** The programs a node is made of, by name: absolute paths. */
type Programs = Readonly<
  Record<
    | 'containerd'
    | 'ctr'
    | 'etcd'
    | 'kube-apiserver'
    | 'kube-controller-manager'
    | 'kube-proxy'
    | 'kube-scheduler'
    | 'kubelet'
    | 'catatonit',
    string
  >
>;

/** All that the components of one node are made from. Nothing here changes while the node runs. */
export interface NodeFacts {
  readonly config: NodeConfig;
  readonly paths: Paths;
  readonly programs: Programs;
  /** The folder of the CNI plugins. */
  readonly cniBinDir: string;
  /** Files and folders with images that the node shall know. */
  readonly images: readonly string[];
  /** The user's cache folder, for what is slow to find out. */
  readonly cacheDir: string;
  /** 20 for Kubernetes 1.20. */
  readonly minor: number;
  /** The node's own address, on which the API answers to the outside. */
  readonly ip: string;
  /** How containerd keeps the layers of images: the best that works on the file system of its data. */
  readonly snapshotter: 'overlayfs' | 'native';
  /** Whether pods may be protected from the kernel's out-of-memory killer. */
  readonly canLowerOomScore: boolean;
  /** Whether the settings of the interfaces that pods are plugged into can be changed. */
  readonly areNetworkSettingsWritable: boolean;
  /** Where the kubelet puts the cgroups of pods, from the root of each hierarchy. */
  readonly cgroupRoot: string;
  /** Laid over the environment of every component. */
  readonly env: Readonly<Record<string, string>>;
}
