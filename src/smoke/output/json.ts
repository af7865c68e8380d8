import type { View } from './view.ts';

/** Each result as one line of JSON (https://jsonlines.org), as it comes, and nothing else. */
export function jsonView(write: (text: string) => void): View {
  return {
    started: () => undefined,
    waiting: () => undefined,
    ended: (result) => write(`${JSON.stringify({ ...result, ms: Math.round(result.ms) })}\n`),
    end: () => undefined,
  };
}
