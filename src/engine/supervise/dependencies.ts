import { setMaxListeners } from 'node:events';
import type { EventBody, WhenLost } from '../component.ts';
import type { ReadinessLatch } from './readinessLatch.ts';

/** A dependency as the supervisor sees it: the latch that says whether it is met, and what to do when it is lost. */
export interface ResolvedDependency {
  readonly latch: ReadinessLatch;
  readonly whenLost: WhenLost;
}

/** Resolves when all dependencies are met at the same time. Emits `waiting` events until then. Rejects when the signal aborts. */
export async function waitForDependencies(
  dependencies: readonly ResolvedDependency[],
  emit: (event: EventBody) => void,
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

/** A run ends because a dependency was lost. */
export class DependencyLost extends Error {
  override readonly name = 'DependencyLost';
  readonly whenLost: WhenLost;

  constructor({ latch, whenLost }: ResolvedDependency) {
    super(`${latch.name} was lost`);
    this.whenLost = whenLost;
  }
}

/**
 * For the moment before a spawn: the look for another instance and the function that gives the command take their time.
 * @throws DependencyLost, for another run as soon as all are met again, if one of the dependencies is not met
 */
export function checkDependencies(dependencies: readonly ResolvedDependency[]): void {
  const lost = dependencies.find(({ latch }) => !latch.isSet);
  if (lost !== undefined) throw new DependencyLost({ ...lost, whenLost: 'restart' });
}

/** Resolves when a dependency is lost whose `whenLost` is not `keep`. Rejects when the signal aborts. */
export async function dependencyLost(
  dependencies: readonly ResolvedDependency[],
  signal: AbortSignal,
): Promise<DependencyLost> {
  const watched = dependencies.filter(({ whenLost }) => whenLost !== 'keep');
  if (watched.length === 0) return new Promise(() => undefined);
  // One listener for each: above ten, Node.js would warn of a leak.
  setMaxListeners(0, signal);
  return Promise.race(
    watched.map(async (dependency) => {
      await dependency.latch.whenReset(signal);
      return new DependencyLost(dependency);
    }),
  );
}
