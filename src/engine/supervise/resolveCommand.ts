import { once } from 'node:events';
import type { Command, Program } from '../component.ts';
import { linkedController, finished } from './linked.ts';

/**
 * The command of a program, which may have to be found out first. Rejects after `timeoutMs`, and at once with the signal's
 * reason when that aborts, whatever it hangs at.
 */
export async function resolveCommand(
  { command }: Program,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Command> {
  if (typeof command !== 'function') return command;
  signal.throwIfAborted();
  const { own, unlink } = linkedController(signal);
  const deadline = AbortSignal.timeout(timeoutMs);
  const late = (): void => own.abort(new Error(`its command is not known after ${timeoutMs / 1000} s`));
  deadline.addEventListener('abort', late);
  const ended = once(own.signal, 'abort').then(() => {
    throw own.signal.reason;
  });
  try {
    return await Promise.race([command(), ended]);
  } finally {
    deadline.removeEventListener('abort', late);
    unlink();
    own.abort(finished);
  }
}
