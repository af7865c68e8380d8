/** So many of the last looks are kept for somebody who asks: with a dozen components the last five minutes. */
const kept = 2000;

/** How long one look at a component took. */
export interface ProbeAttempt {
  readonly component: string;
  readonly ms: number;
  readonly healthy: boolean;
}

/** The looks since somebody took them last. Memory is bounded. */
export interface ProbeAttempts {
  readonly add: (look: ProbeAttempt) => void;
  /** Hands them over, the oldest first, and forgets them. */
  readonly take: () => readonly ProbeAttempt[];
}

export function createProbeAttempts(): ProbeAttempts {
  let looks: ProbeAttempt[] = [];
  return {
    add(look) {
      looks.push(look);
      if (looks.length >= 2 * kept) looks = looks.slice(-kept);
    },
    take() {
      const taken = looks.slice(-kept);
      looks = [];
      return taken;
    },
  };
}
