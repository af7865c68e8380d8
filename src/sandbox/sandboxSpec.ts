import { join } from 'node:path';

/** What a sandbox is made from. */
export interface SandboxSpec {
  /** The node's name. */
  readonly name: string;
  /** The host name inside. */
  readonly nodeName: string;
  /** The run folder, below /run, and the data folder. Only in these and in `kept` do writes reach the host. */
  readonly run: string;
  readonly data: string;
  readonly kept?: readonly string[];
  /** Folders below the data folder that are in memory and go with the sandbox. */
  readonly tmpfs?: readonly string[];
  /** The cluster whose nodes on this machine the node is to reach: see clusterNetwork.ts. */
  readonly cluster?: string;
  /** The range from which the subnet between host and node is taken. Default: see network.ts. */
  readonly nodeSubnet?: string | undefined;
  /** Ranges that must not contain the node's address: those of its pods and services. */
  readonly excludeSubnets?: readonly string[];
  /** The range of the node's Services, which no packet leaves. */
  readonly serviceCidr?: string;
  /** The range of the node's pods. */
  readonly podCidr?: string;
  /** Whether pasta may connect the node with other machines: see kubernetes/components/egress.ts. */
  readonly egress?: boolean;
  /** The name server of the node. Default: its own address, which refuses queries. */
  readonly nameServer?: string | undefined;
  /** Bind mounts of the node's own folders: path inside -> folder. Both are made when missing. */
  readonly binds?: Readonly<Record<string, string>>;
}

/** In a sandbox with egress: files that are the network namespaces of the host and of the node. */
export function networkFiles(run: string): { readonly host: string; readonly node: string } {
  return { host: join(run, 'net.host'), node: join(run, 'net.node') };
}

/** The name of the host in a sandbox. */
export const hostAlias = 'host.k8s-single.internal';

/** The namespaces of a sandbox, as seen from the host. */
export interface SandboxNamespaces {
  /** On the host: a process in the mount and network namespaces. */
  readonly pid: number;
  /** Where the programs that set the sandbox up are looked for, like PATH: see host/tool.ts. */
  readonly path: string | undefined;
}

/** The addresses of a node and of its host in the network that they share. */
export interface Addresses {
  readonly nodeIp: string;
  readonly hostIp: string;
}

/**
 * The descriptors that the process inside inherits; `ports` is the first of as many as there are. Not 8 and 9, which the shells
 * in between use. What runs inside does not get `cluster`: see clusterNetwork.ts.
 */
export const descriptors = { control: 3, lock: 4, dataLock: 5, listener: 6, cluster: 7, ports: 10 } as const;

const variable = 'K8S_SINGLE_SANDBOX';

/**
 * Options of nsenter(1) for the namespaces of the children of a process. What runs in its PID namespace ends with the
 * namespace, whatever happens; mount(8) needs it where it finds that namespace's /proc.
 */
export function namespacesOf(pid: number, ...types: readonly ('mnt' | 'pid' | 'net')[]): string[] {
  const options = { mnt: 'mount', pid: 'pid', net: 'net' };
  return types.map(
    (type) => `--${options[type]}=/proc/${pid}/ns/${type === 'pid' ? 'pid_for_children' : type}`,
  );
}

/** Marks the process inside as that of a sandbox, until it receives its boot message. */
export const sandboxEnv: Readonly<Record<string, string>> = { [variable]: '1' };

/** Whether this process was started in a sandbox, directly or by its init. */
export function isInSandbox(): boolean {
  return process.env[variable] !== undefined;
}

/** Hides the mark of the sandbox from the processes that are started from now on. */
export function removeSandboxMark(): void {
  delete process.env[variable];
}
