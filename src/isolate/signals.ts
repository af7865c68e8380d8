const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Takes the signals that end this process and holds them until there is someone to send them to. */
export function onSignals(): { sendTo: (send: (signal: NodeJS.Signals) => void) => void; close: () => void } {
  const early: NodeJS.Signals[] = [];
  let deliver = (signal: NodeJS.Signals): void => void early.push(signal);
  const onSignal = (signal: NodeJS.Signals): void => deliver(signal);
  for (const signal of forwarded) process.on(signal, onSignal);
  return {
    sendTo: (send) => {
      deliver = send;
      for (const signal of early) send(signal);
    },
    close: () => {
      for (const signal of forwarded) process.off(signal, onSignal);
    },
  };
}
