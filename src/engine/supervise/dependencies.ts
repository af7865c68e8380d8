import { setMaxListeners } from 'node:events';
import type { Happening, WhenLost } from '../component.ts';
import type { Gate } from './readinessLatch.ts';

/** What a component needs, by the gate that says whether it is so, and what it does when that is lost. */
export interface Bond {
  readonly gate: Gate;
  readonly whenLost: WhenLost;
}

/** Resolves when all needs are ready at once, saying meanwhile which are not. Rejects when the signal aborts. */
export async function needsReady(
  bonds: readonly Bond[],
  say: (happening: Happening) => void,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const missing = bonds.filter(({ gate }) => !gate.isOpen);
    const [first] = missing;
    if (first === undefined) return;
    say({ type: 'waiting', on: missing.map(({ gate }) => gate.name) });
    await first.gate.opened(signal);
  }
}

/** A need that was lost and that the component does not outlive. */
export class NeedLost extends Error {
  override readonly name = 'NeedLost';
  readonly whenLost: WhenLost;

  constructor({ gate, whenLost }: Bond) {
    super(`${gate.name} was lost`);
    this.whenLost = whenLost;
  }
}

/** Resolves when a need is lost whose bond does not say `keep`; rejects when the signal aborts. */
export async function lost(bonds: readonly Bond[], signal: AbortSignal): Promise<NeedLost> {
  const strict = bonds.filter(({ whenLost }) => whenLost !== 'keep');
  if (strict.length === 0) return new Promise(() => undefined);
  // Each of them listens, and from the eleventh on Node.js would warn of a leak.
  setMaxListeners(0, signal);
  return Promise.race(
    strict.map(async (bond) => {
      await bond.gate.closed(signal);
      return new NeedLost(bond);
    }),
  );
}
