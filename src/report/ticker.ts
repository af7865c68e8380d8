/** Lets what is drawn move on: calls `draw` every `periodMs`, at least 250 ms, and never keeps the program alive. */
export function tick(draw: () => void, periodMs = 250): Disposable {
  // oxlint-disable-next-line no-restricted-globals -- draws elapsed times, waits for nothing
  const timer = setInterval(draw, Math.max(250, periodMs)).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
