/** Which of the calls that change something below a folder is to fail. */
export interface Fault {
  readonly root: string;
  /** From 1 on. A call that writes content counts twice: before it, and when half of the content is written. */
  readonly at: number;
  /**
   * What happens at that call. `error`: the disk is full, once. `stop`: nothing changes any more, as if the process was killed. `kill`:
   * it is.
   */
  readonly mode: 'error' | 'stop' | 'kill';
}

/** Does the work with that fault. Resolves with the call that was hit, if any, and with the error of the work. */
export function withFault(
  fault: Fault,
  work: () => unknown,
): Promise<{ readonly hit: string | undefined; readonly error: unknown }>;
