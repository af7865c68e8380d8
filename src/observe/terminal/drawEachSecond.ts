import { once } from 'node:events';
import { reasonOf } from '../../lib/errors.ts';
import { oneLine } from '../../lib/text/text.ts';
import { Screen } from './screen.ts';
import type { ResizableTerminal } from './screen.ts';
import { tick } from './ticker.ts';

/**
 * Redraws lines in place, each second and when the terminal changes its size, until the signal aborts. Instead of lines that cannot be
 * had, it shows the reason.
 * @param getLines makes lines that are not wider than `columns`
 */
export async function drawEachSecond(
  getLines: (columns: number) => Promise<string[]>,
  terminal: ResizableTerminal,
  signal: AbortSignal,
): Promise<void> {
  const screen = new Screen(terminal);
  let busy = false;
  const draw = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    const lines = await getLines((terminal.columns ?? 80) - 1).catch((error: unknown) => [
      oneLine(reasonOf(error)),
    ]);
    if (!signal.aborted) screen.draw(lines.slice(0, Math.max(1, (terminal.rows ?? 24) - 1)));
    busy = false;
  };
  const redraw = (): void => void draw();
  terminal.on?.('resize', redraw);
  await draw();
  const ticker = tick(redraw, { periodMs: 1000, keepsAlive: true });
  if (!signal.aborted) await once(signal, 'abort');
  ticker[Symbol.dispose]();
  terminal.off?.('resize', redraw);
}
