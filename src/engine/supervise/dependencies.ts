import { setMaxListeners } from 'node:events';
import type { EventBody, WhenLost } from '../component.ts';
import type { ReadinessLatch } from './readinessLatch.ts';

/** What a component needs, by the gate that says whether it is so, and what it does when that is lost. */
export interface ResolvedDependency {
  readonly latch: ReadinessLatch;
  readonly whenLost: WhenLost;
}

/** Resolves when all needs are ready at once, saying meanwhile which are not. Rejects when the signal aborts. */
export async function waitForDependencies(
  dependencies: readonly ResolvedDependency[],
  emit: (happening: EventBody) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const missing = dependencies.filter(({ latch }) => !latch.isSet);
    const [first] = missing;
    if (first === undefined) return;
    emit({ type: 'waiting', on: missing.map(({ latch }) => latch.name) });
    await first.latch.whenSet(signal);
  }
}

/** A need that was lost and that the component does not outlive. */
export class DependencyLost extends Error {
  override readonly name = 'NeedLost';
  readonly whenLost: WhenLost;

  constructor({ latch, whenLost }: ResolvedDependency) {
    super(`${latch.name} was lost`);
    this.whenLost = whenLost;
  }
}

/** Resolves when a need is lost whose bond does not say `keep`; rejects when the signal aborts. */
export async function dependencyLost(
  dependencies: readonly ResolvedDependency[],
  signal: AbortSignal,
): Promise<DependencyLost> {
  const strict = dependencies.filter(({ whenLost }) => whenLost !== 'keep');
  if (strict.length === 0) return new Promise(() => undefined);
  // Each of them listens, and from the eleventh on Node.js would warn of a leak.
  setMaxListeners(0, signal);
  return Promise.race(
    strict.map(async (dependency) => {
      await dependency.latch.whenReset(signal);
      return new DependencyLost(dependency);
    }),
  );
}
