import { z } from 'zod';

/** The descriptors that the process inside inherits. */
export const fds = { control: 3, hostNetwork: 4, lock: 5, dataLock: 6, listener: 7 } as const;

const variable = 'K8S_SINGLE_BOX';

const boxSchema = z.object({
  /** The node's name. */
  name: z.string(),
  /** The host name inside. */
  nodeName: z.string(),
  /** The run folder, below /run, and the data folder: in these and in `kept` alone a write reaches the host. */
  run: z.string(),
  data: z.string(),
  kept: z.array(z.string()).optional(),
  /** Folders below the data folder that are in memory and go with the box. */
  inMemory: z.array(z.string()).optional(),
  /** An unpacked Debian tree whose usr/ fills the gaps of the host's. */
  debianTree: z.string().optional(),
  /** Ranges in which its address must not be: those of its pods and services. */
  avoid: z.array(z.string()).optional(),
  /** Folders of the node that are to be found elsewhere too: path inside -> folder. Both are made when missing. */
  also: z.record(z.string(), z.string()).optional(),
});

/** What the process inside has to know to make the box around itself. */
export type Box = z.infer<typeof boxSchema>;

/** The environment that tells a process that it is inside. Holds of the object only what a box is. */
export function boxEnv(box: Box): Record<string, string> {
  return { [variable]: JSON.stringify(boxSchema.parse(box)) };
}

/** The box this process was started in by `enter`; `undefined` on the host. */
export function currentBox(): Box | undefined {
  const value = process.env[variable];
  return value === undefined ? undefined : boxSchema.parse(JSON.parse(value));
}

/** Keeps the mark from the processes that are started from now on. */
export function forgetBox(): void {
  delete process.env[variable];
}
