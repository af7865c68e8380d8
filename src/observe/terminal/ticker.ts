interface TickOptions {
  /** Default 250, which is also the least. */
  readonly periodMs?: number;
  /** Whether the program goes on only to draw; by default it does not. */
  readonly keepsAlive?: boolean;
}

/** Calls `draw` again and again until disposed of, at most four times a second. */
export function tick(draw: () => void, { periodMs = 250, keepsAlive = false }: TickOptions = {}): Disposable {
  // oxlint-disable-next-line no-restricted-globals -- draws and tidies up, waits for nothing
  const timer = setInterval(draw, Math.max(250, periodMs));
  if (!keepsAlive) timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
