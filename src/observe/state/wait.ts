import { Unhealthy } from '../../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../../probes/until.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { Failure } from '../../lib/errors.ts';
import type { NodeStatus } from './status.ts';

export interface WaitOptions {
  /** The node's. */
  readonly name: string;
  readonly timeoutMs: number;
  /** Told what is missing, when it changes. */
  readonly onAttemptFailed?: (reason: string) => void;
}

/**
 * Resolves when the whole node is ready. Waits for a node that is not there yet, but not for one that went away or gave a
 * component up.
 * @throws Failure `notReady` with what is missing.
 */
export async function waitReady(
  look: (signal: AbortSignal) => Promise<NodeStatus>,
  { name, timeoutMs, onAttemptFailed }: WaitOptions,
  signal: AbortSignal,
): Promise<void> {
  let seen = false;
  const giveUp = new AbortController();
  const isReady = async (each: AbortSignal): Promise<void> => {
    const status = await look(each).catch((error: unknown) => {
      const absent = error instanceof Failure && error.code === 'notReady';
      if (!each.aborted && (seen || !absent)) giveUp.abort(error);
      throw error;
    });
    seen = true;
    if (status.state === 'failed') {
      giveUp.abort(new Failure('notReady', `the node failed: ${missing(status)}`));
    }
    if (!status.ready) throw new Unhealthy(missing(status));
  };
  let last: string | undefined;
  const onChange = (reason: string): void => {
    if (reason !== last) onAttemptFailed?.(reason);
    last = reason;
  };
  await until(
    isReady,
    { timeoutMs, onAttemptFailed: onChange },
    AbortSignal.any([signal, giveUp.signal]),
  ).catch((error: unknown) => {
    if (!(error instanceof DeadlineExceeded)) throw error;
    throw new Failure('notReady', error.message, {
      cause: error,
      hint: `see why: ${nodeCommand('status', { name })}, ${nodeCommand('logs', { name })}`,
    });
  });
}

/** What blocks and why; what only waits for it is left out, unless there is nothing else. */
function missing({ components, state }: NodeStatus): string {
  const unready = components.filter((component) => component.state !== 'ready');
  const failed = unready.filter((component) => component.state === 'failed');
  const blocking = unready.filter((component) => component.state !== 'waiting');
  const shown = state === 'failed' ? failed : blocking.length > 0 ? blocking : unready;
  return shown
    .map(({ name, state: is, reason }) => `${name} is ${is}${reason === null ? '' : ` (${reason})`}`)
    .join(', ');
}
