import type { LogEntry, Logform, Logger } from 'winston';

/** Writes lines to a stream. */
export interface LineLogger {
  readonly log: (entry: LogEntry) => void;
  /** Resolves when everything logged has been handed to the stream; nothing can be logged any more. */
  readonly flush: () => Promise<void>;
}

/** For so long, in ms, what is logged waits: winston takes 20 ms to load, and the first components are not to wait for that. */
const headStartMs = 50;

/** A logger that writes one line per entry, formed by `line`, to the stream. */
export function lineLogger(
  stream: NodeJS.WritableStream,
  line: (entry: Logform.TransformableInfo) => string,
): LineLogger {
  const waiting: LogEntry[] = [];
  let logger: Logger | undefined;
  const load = async (): Promise<Logger> => {
    const { createLogger, format, transports } = await import('winston');
    logger = createLogger({
      format: format.printf(line),
      transports: [new transports.Stream({ stream, eol: '\n' })],
    });
    for (const entry of waiting.splice(0)) logger.log(entry);
    return logger;
  };
  let loading: Promise<Logger> | undefined;
  AbortSignal.timeout(headStartMs).addEventListener('abort', () => void (loading ??= load()));
  return {
    log(entry) {
      if (logger === undefined) waiting.push(entry);
      else logger.log(entry);
    },
    async flush() {
      const loaded = await (loading ??= load());
      await new Promise((resolve) => {
        loaded.once('finish', resolve);
        loaded.end();
      });
    },
  };
}
