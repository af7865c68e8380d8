const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The signals that end this process, taken from it. */
export interface Signals {
  /** From now on they go here, first those that nobody has got yet. */
  readonly sendTo: (send: (signal: NodeJS.Signals) => void) => void;
  /** The first of all, whoever has got it. */
  readonly first: () => NodeJS.Signals | undefined;
  readonly close: () => void;
}

/** Takes the signals that end this process and holds them until there is someone to send them to. */
export function onSignals(): Signals {
  const early: NodeJS.Signals[] = [];
  let deliver = (signal: NodeJS.Signals): void => void early.push(signal);
  let first: NodeJS.Signals | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    first ??= signal;
    deliver(signal);
  };
  for (const signal of forwarded) process.on(signal, onSignal);
  return {
    sendTo: (send) => {
      deliver = send;
      for (const signal of early.splice(0)) send(signal);
    },
    first: () => first,
    close: () => {
      for (const signal of forwarded) process.off(signal, onSignal);
    },
  };
}
