import { exitCodes, reasonOf } from '../lib/errors.ts';

/** The reader has ended, as `head` does, or the terminal is gone. */
const gone: ReadonlySet<unknown> = new Set(['EPIPE', 'EIO']);

/**
 * Lets this process go on when the reader of its stdout or stderr has ended; further output is lost. When stdout cannot be
 * written for another reason, such as a full disk, the exit code says so in the end.
 */
export function ignoreBrokenPipe(): void {
  let isFull = false;
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isFull || gone.has(error.code)) return;
    isFull = true;
    console.error(`k8s-single: stdout cannot be written: ${reasonOf(error)}`);
    process.once('exit', (code) => {
      if (code === exitCodes.ok) process.exitCode = exitCodes.preflight;
    });
  });
}
