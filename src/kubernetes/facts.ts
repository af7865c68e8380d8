import type { NodeConfig } from '../config/schema/node.ts';
import type { Egress } from '../host/egress.ts';
import type { Paths } from '../lib/paths.ts';
import type { Differences } from './components/differences.ts';
import type { Joining } from './join/membership.ts';
import type { DnsServer } from './dns/chooseServer.ts';

/** Absolute paths of the node's programs, by name. */
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
    | 'catatonit'
    | 'ip'
    | 'iptables-restore'
    | 'iptables-save'
    | 'nsenter'
    | 'unshare',
    string
  >
>;

/** Everything from which the components of one node are built. Constant while the node runs. */
export interface NodeFacts {
  readonly config: NodeConfig;
  readonly paths: Paths;
  readonly programs: Programs;
  /** The folder of the CNI plugins. */
  readonly cniBinDir: string;
  /** Files and folders with images to import. */
  readonly images: readonly string[];
  /** The user's cache folder. */
  readonly cacheDir: string;
  /** The file in the cache with the objects with which a new cluster begins; it may not exist. */
  readonly initialObjects: string;
  /** The version of the API server, such as 1.36.2. */
  readonly kubernetesVersion: string;
  /** What is different in the versions of this node's programs. */
  readonly differences: Differences;
  /** The cluster of a worker; undefined for a control plane. */
  readonly joining?: Joining | undefined;
  /** The node's own address, on which the API server answers clients outside the node. */
  readonly ip: string;
  /** Whether the network around the node is its own, and ends with it. */
  readonly isSandboxed: boolean;
  /** Whether other nodes reach it and its pods: without a sandbox, or in the network of a cluster on this machine. */
  readonly isReachable: boolean;
  /** How the node reaches other machines from its sandbox; undefined: not at all, or without a sandbox. */
  readonly egress?: Egress | undefined;
  /** containerd's snapshotter: the best one that works on the file system of the data folder. */
  readonly snapshotter: 'overlayfs' | 'native';
  /** Whether we may lower the OOM score of processes (oom_score_adj), to protect pods from the OOM killer. */
  readonly canLowerOomScore: boolean;
  /** Whether the network sysctls of the pods' interfaces are writable. */
  readonly areNetworkSettingsWritable: boolean;
  /** The parent cgroup of the pods, relative to the root of each hierarchy. */
  readonly cgroupRoot: string;
  /** What answers DNS questions: the config's choice, and what there is. */
  readonly dns: DnsServer;
  /** The resolv.conf(5) with the DNS servers that this node reaches; undefined if it reaches none. */
  readonly resolvConf: string | undefined;
  /** The files in the folder for addons, undefined without it; and whether the node was started with a config file. */
  readonly addons: { readonly files: readonly string[] | undefined; readonly hasConfigFile: boolean };
  /** The whole environment of every program: see environment.ts. */
  readonly env: Readonly<Record<string, string>>;
  /** The proxy variables for the programs that pull images. */
  readonly proxyEnv: Readonly<Record<string, string>>;
}
