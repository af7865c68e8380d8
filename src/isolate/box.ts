/** The descriptors that the process inside inherits. */
export const fds = { control: 3, hostNetwork: 4, lock: 5, dataLock: 6, listener: 7 } as const;

const variable = 'K8S_SINGLE_BOX';

/** What the process inside has to know to make the box around itself. */
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

/** The environment of a process that is started inside, until it knows of its box (see follow.ts). */
export const boxEnv = { [variable]: 'inside' } as const;

/** Whether this process was started in a box by `enter`, or by its init; main.ts looks at the same. */
export function isInBox(): boolean {
  return process.env[variable] !== undefined;
}

/** Keeps the mark from the processes that are started from now on. */
export function forgetBox(): void {
  delete process.env[variable];
}
