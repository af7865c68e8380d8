/** Signals that ask this program to come to its end, as abort signals. */
export interface Interruptions extends Disposable {
  /** Aborts at the first. */
  readonly signal: AbortSignal;
  /** Aborts at the second. */
  readonly hurry: AbortSignal;
  /** Which was the first; undefined as long as there was none. */
  readonly by: () => NodeJS.Signals | undefined;
}

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Listens until it is disposed of; as long as it does, no signal ends this program by itself. */
export function interruptions(): Interruptions {
  const [first, second] = [new AbortController(), new AbortController()];
  let by: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    (by === undefined ? first : second).abort(new Error(`interrupted by ${signal}`));
    by ??= signal;
  };
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: first.signal,
    hurry: second.signal,
    by: () => by,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
