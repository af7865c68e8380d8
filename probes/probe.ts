/**
 * One attempt to check one thing. Resolves when it passes; otherwise rejects with an {@link Unhealthy} whose message is the
 * reason, for people. Settles immediately when the signal aborts. Never retries and never sleeps: the only wait loop is
 * {@link file://./until.ts}.
 */
export type Probe = (signal: AbortSignal) => Promise<void>;

/** A failed attempt. The message is the reason alone, without the name of the component. */
export class Unhealthy extends Error {
  override readonly name = 'Unhealthy';
}

/** A failed attempt after which no other would pass: what is probed has to be started anew. */
export class PermanentFailure extends Unhealthy {}

/** Passes when all probes do. Runs them in order and rejects with the first reason. */
export function all(...probes: readonly Probe[]): Probe {
  return async (signal) => {
    for (const probe of probes) await probe(signal);
  };
}
