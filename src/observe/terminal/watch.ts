import { once } from 'node:events';
import { reasonOf } from '../../lib/errors.ts';
import { Screen } from './screen.ts';
import type { ResizableTerminal } from './pretty.ts';
import { statusTable } from '../state/status.ts';
import type { NodeStatus } from '../state/status.ts';
import type { Style } from './style.ts';
import { oneLine } from '../../lib/text/text.ts';
import { tick } from './ticker.ts';

/** Draws the status again and again, in place, until the signal aborts. A node that is not there is shown as that. */
export async function watchStatus(
  look: () => Promise<NodeStatus>,
  terminal: ResizableTerminal,
  style: Style,
  signal: AbortSignal,
): Promise<void> {
  const screen = new Screen(terminal);
  let looking = false;
  const draw = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    const columns = (terminal.columns ?? 80) - 1;
    const lines = await look().then(
      (status) => statusTable(status, columns, style),
      (error: unknown) => [oneLine(reasonOf(error))],
    );
    if (!signal.aborted) screen.draw(lines.slice(0, Math.max(1, (terminal.rows ?? 24) - 1)));
    looking = false;
  };
  const redraw = (): void => void draw();
  terminal.on?.('resize', redraw);
  await draw();
  const ticker = tick(redraw, { periodMs: 1000, keepsAlive: true });
  if (!signal.aborted) await once(signal, 'abort');
  ticker[Symbol.dispose]();
  terminal.off?.('resize', redraw);
}
