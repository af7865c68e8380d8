import type { ApiAccess } from './cluster/watches.ts';
import type { Server } from './dns/upstream.ts';

/** What the helper process is to do: JSON in a file, which is its only argument. */
export interface HelperOptions {
  /** For the watches: the rights of its certificate are those of all that it does. */
  readonly api: ApiAccess;
  /** The unix socket on which it says whether it works. */
  readonly healthSocket: string;
  /** Undefined if another program serves DNS. */
  readonly dns?: DnsOptions;
  /** Undefined if there is no storage of ours. */
  readonly storage?: StorageOptions;
  /** Undefined if there is no load balancer of ours. */
  readonly loadBalancer?: LoadBalancerOptions;
  /** Undefined in a cluster that has this node alone. */
  readonly routes?: RoutesOptions;
  /** The volumes of a worker; undefined on a control plane, which has `storage`. */
  readonly volumes?: VolumesOptions;
  /** What the control plane does for workers; undefined on a worker, and if there can be none. */
  readonly workers?: WorkersOptions;
}

export interface VolumesOptions {
  readonly nodeName: string;
  /** The folder of the volumes' folders. */
  readonly folder: string;
}

export interface RoutesOptions {
  readonly nodeName: string;
  /** The range of the pods of all nodes. */
  readonly clusterCidr: string;
  /** Their paths. */
  readonly programs: {
    readonly ip: string;
    readonly iptablesSave: string;
    readonly iptablesRestore: string;
  };
}

export interface WorkersOptions {
  readonly nodeName: string;
  /** The range of this node's pods: those of workers are as large. */
  readonly podCidr: string;
  readonly clusterCidr: string;
  /** Names and addresses that no certificate of a worker may have. */
  readonly reserved: readonly string[];
}

export interface LoadBalancerOptions {
  /** The node's own addresses, which Services get. */
  readonly addresses: readonly string[];
  /** Ports of the node that no Service gets: who has them, by names such as `6443/TCP`. */
  readonly ownPorts: Readonly<Record<string, string>>;
  /** Several nodes share the cluster: what another one has given to a Service stays. */
  readonly isShared: boolean;
}

export interface StorageOptions {
  /** The folder of the volumes' folders. */
  readonly folder: string;
  readonly nodeName: string;
  /** Whether workers have volumes, too. */
  readonly hasWorkers: boolean;
  /** Whether other control planes share the cluster, each of which cares for the volumes of its own node. */
  readonly isShared: boolean;
}

export interface DnsOptions {
  readonly address: string;
  readonly port: number;
  /** Such as `cluster.local`. */
  readonly domain: string;
  /** The cluster IP of the DNS Service. */
  readonly serviceIp: string;
  /** The ranges of pods and Services. */
  readonly clusterRanges: readonly string[];
  /** Several nodes share the cluster: those of the others may ask, too. */
  readonly isShared: boolean;
  /** `v1` or `v1beta1` of discovery.k8s.io. */
  readonly discoveryVersion: string;
  /** Where other names are asked for. */
  readonly upstreams: readonly Server[];
  /** A resolv.conf(5) with name servers, if there are no `upstreams`. */
  readonly resolvConf?: string;
}
