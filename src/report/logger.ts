import { createLogger, format, transports } from 'winston';
import type { Logform, Logger } from 'winston';

/** A logger that writes one line per entry, formed by `line`, to the stream. */
export function lineLogger(
  stream: NodeJS.WritableStream,
  line: (entry: Logform.TransformableInfo) => string,
): Logger {
  return createLogger({
    format: format.printf(line),
    transports: [new transports.Stream({ stream, eol: '\n' })],
  });
}

/** Resolves when everything logged has been handed to the stream. */
export async function flush(logger: Logger): Promise<void> {
  await new Promise((resolve) => {
    logger.once('finish', resolve);
    logger.end();
  });
}
