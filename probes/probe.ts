/**
 * One look at one thing. Resolves when it is as it should be; rejects with an {@link Unhealthy} whose message is the
 * reason why not, written for the person who reads it. Ends at once when the signal aborts. Never retries, never
 * sleeps: the only wait loop is {@link file://./until.ts}.
 */
export type Probe = (signal: AbortSignal) => Promise<void>;

/** Why a look failed. The message is the reason alone, without the name of what was looked at. */
export class Unhealthy extends Error {
  override readonly name = 'Unhealthy';
}

/** Healthy when every probe is. Looks at them in order and rejects with the first reason. */
export function all(...probes: readonly Probe[]): Probe {
  return async (signal) => {
    for (const probe of probes) await probe(signal);
  };
}
