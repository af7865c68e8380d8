/** The descriptors that the process inside inherits. */
export const fds = { control: 3, lock: 4, dataLock: 5, listener: 6 } as const;

const variable = 'K8S_SINGLE_BOX';

/** What a box is made from. */
export interface Box {
  /** The node's name. */
  readonly name: string;
  /** The host name inside. */
  readonly nodeName: string;
  /** The run folder, below /run, and the data folder: in these and in `kept` alone a write reaches the host. */
  readonly run: string;
  readonly data: string;
  readonly kept?: readonly string[];
  /** Folders below the data folder that are in memory and go with the box. */
  readonly inMemory?: readonly string[];
  /** An unpacked Debian tree whose usr/ fills the gaps of the host's. */
  readonly debianTree?: string;
  /** Ranges in which its address must not be: those of its pods and services. */
  readonly avoid?: readonly string[];
  /** Folders of the node that are to be found elsewhere too: path inside -> folder. Both are made when missing. */
  readonly also?: Readonly<Record<string, string>>;
}

/** The inside of a box, as the process outside knows it. */
export interface Inside {
  /** On the host: a process in its namespaces of mounts and network. */
  readonly pid: number;
  /** Where the programs that make it are looked for: see tool.ts. */
  readonly path: string | undefined;
}

/**
 * Options of nsenter(1) for the namespaces in which the children of a process are. Those that run in its namespace of processes are
 * gone with it, whatever becomes of them; and mount(8) needs it where it finds that namespace's /proc.
 */
export function namespacesOf(pid: number, ...types: readonly ('mnt' | 'pid' | 'net')[]): string[] {
  const options = { mnt: 'mount', pid: 'pid', net: 'net' };
  return types.map(
    (type) => `--${options[type]}=/proc/${pid}/ns/${type === 'pid' ? 'pid_for_children' : type}`,
  );
}

/** The environment of a process that is started inside, until it knows of its box (see follow.ts): the data folder of its node. */
export function boxEnv(data: string): Readonly<Record<string, string>> {
  return { [variable]: data };
}

/** That folder, before anything else is known. */
export function dataOfBox(): string | undefined {
  return process.env[variable];
}

/** Whether this process was started in a box by `enter`, or by its init. */
export function isInBox(): boolean {
  return dataOfBox() !== undefined;
}

/** Keeps the mark from the processes that are started from now on. */
export function forgetBox(): void {
  delete process.env[variable];
}
