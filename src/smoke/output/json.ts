import type { View } from './view.ts';

/** JSON Lines (https://jsonlines.org): one line for each result, when it comes. */
export function jsonView(write: (text: string) => void): View {
  return {
    started: () => undefined,
    waiting: () => undefined,
    ended: (result) => write(`${JSON.stringify({ ...result, ms: Math.round(result.ms) })}\n`),
    end: () => undefined,
  };
}
