/** The number of attempts kept: the last five minutes of a dozen components. */
const maxAttempts = 2000;

/** Result and duration of one probe attempt. */
export interface ProbeAttempt {
  readonly component: string;
  readonly ms: number;
  readonly healthy: boolean;
}

/** The attempts since `take` was last called, at most the last 2000. Memory is bounded. */
export interface ProbeAttempts {
  readonly add: (attempt: ProbeAttempt) => void;
  /** Returns the attempts, oldest first, and forgets them. */
  readonly take: () => readonly ProbeAttempt[];
}

export function createProbeAttempts(): ProbeAttempts {
  let attempts: ProbeAttempt[] = [];
  return {
    add(attempt) {
      attempts.push(attempt);
      if (attempts.length >= 2 * maxAttempts) attempts = attempts.slice(-maxAttempts);
    },
    take() {
      const taken = attempts.slice(-maxAttempts);
      attempts = [];
      return taken;
    },
  };
}
