import { exitCodes, reasonOf } from '../lib/errors.ts';

/** Nobody reads: the reader has ended, as `head` does when it has seen enough, or the terminal is gone. */
const gone: ReadonlySet<unknown> = new Set(['EPIPE', 'EIO']);

/**
 * Whoever reads what this process says may go away: what is said from then on is lost, and what is done, a node above all, goes
 * on. Where stdout cannot be written for another reason, a full disk for one, the exit code says so in the end.
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
