import { lineLogger } from './logger.ts';
import type { View } from './view.ts';

/** For programs: each Event as one line of JSON (https://jsonlines.org), and nothing else. */
export function jsonView(stream: NodeJS.WritableStream): View {
  const logger = lineLogger(stream, (entry) => JSON.stringify(entry['event']));
  return {
    event: (event) => logger.log({ level: 'info', message: '', event }),
    ready: () => undefined,
    progress: () => undefined,
    print: () => undefined,
    end: () => logger.flush(),
  };
}
