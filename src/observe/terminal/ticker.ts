interface TickOptions {
  /** Default and minimum: 250. */
  readonly periodMs?: number;
  /** Whether the timer alone keeps the program running. Default: no. */
  readonly keepsAlive?: boolean;
}

/** Calls `callback` periodically until disposed of, at most four times a second. */
export function tick(
  callback: () => void,
  { periodMs = 250, keepsAlive = false }: TickOptions = {},
): Disposable {
  // oxlint-disable-next-line no-restricted-globals -- redraws and maintains; nothing waits for it
  const timer = setInterval(callback, Math.max(250, periodMs));
  if (!keepsAlive) timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
