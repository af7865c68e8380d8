import { Unhealthy } from '../../../probes/probe.ts';
import { DeadlineExceeded, until } from '../../../probes/until.ts';
import { nodeCommand } from '../../lib/commandLine.ts';
import { Failure } from '../../lib/errors.ts';
import type { NodeStatus } from './status.ts';

export interface WaitOptions {
  /** The node's name. */
  readonly name: string;
  readonly timeoutMs: number;
  /** Called with what is missing, each time that changes. */
  readonly onAttemptFailed?: (reason: string) => void;
}

/**
 * Resolves when the whole node is ready. Waits for a node that is not running yet, but not for one that went away or has a
 * failed component.
 * @throws Failure `notReady` with what is missing.
 */
export async function waitReady(
  getStatus: (signal: AbortSignal) => Promise<NodeStatus>,
  { name, timeoutMs, onAttemptFailed }: WaitOptions,
  signal: AbortSignal,
): Promise<void> {
  let wasRunning = false;
  const giveUp = new AbortController();
  const isReady = async (attempt: AbortSignal): Promise<void> => {
    const status = await getStatus(attempt).catch((error: unknown) => {
      const absent = error instanceof Failure && error.code === 'notReady';
      if (!attempt.aborted && (wasRunning || !absent)) giveUp.abort(error);
      throw error;
    });
    wasRunning = true;
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

/** The blocking components with their reasons. Waiting ones are listed only when nothing else blocks. */
function missing({ components, state }: NodeStatus): string {
  const notReady = components.filter(
    (component) => component.state !== 'ready' && component.optional !== true,
  );
  const failed = notReady.filter((component) => component.state === 'failed');
  const blocking = notReady.filter((component) => component.state !== 'waiting');
  const shown = state === 'failed' ? failed : blocking.length > 0 ? blocking : notReady;
  return shown
    .map(({ name, state: phase, reason }) => `${name} is ${phase}${reason === null ? '' : ` (${reason})`}`)
    .join(', ');
}
