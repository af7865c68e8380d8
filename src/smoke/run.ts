import { DeadlineExceeded, until } from '../../probes/until.ts';
import { reasonOf } from '../lib/errors.ts';
import { visitInOrder } from '../engine/graph.ts';
import { PermanentFailure, NotApplicable, type Check, type Context, type Result } from './check.ts';
import { evidence } from './evidence.ts';

/** Receives the progress of a run. */
export interface Watcher {
  readonly started: (check: string) => void;
  /** The check still waits; `reason` is that of the last failed attempt. */
  readonly waiting: (check: string, reason: string) => void;
  readonly ended: (result: Result) => void;
}

export interface RunOptions {
  readonly context: Omit<Context, 'until' | 'signal'>;
  /** Time limit of all checks together, in ms. The clean-up has only its own deadline. */
  readonly timeoutMs: number;
  readonly watcher: Watcher;
  /** Lines for the evidence of a failure, such as the components of the node that are not ready. */
  readonly suspects: () => Promise<readonly string[]>;
  /** Interrupts the checks and continues with the clean-up. */
  readonly signal: AbortSignal;
  /** Interrupts the clean-up as well. */
  readonly cleanupSignal: AbortSignal;
}

/** The time limit of one attempt, in ms: an attempt may be a whole `kubectl exec`. */
const attemptTimeoutMs = 15_000;

/**
 * Runs each check as soon as all checks that it needs have passed, concurrently with the others; then the
 * clean-up. Skips a check if one that it needs did not pass. Resolves with the results in the order of
 * `checks`, without interrupted ones. Never rejects.
 */
export async function runChecks(checks: readonly Check[], options: RunOptions): Promise<readonly Result[]> {
  const byName = new Map(checks.map((check) => [check.name, check]));
  const results = new Map<string, Result>();
  const { watcher, signal, cleanupSignal } = options;
  const visit = async (name: string, deadline: number, interrupt: AbortSignal): Promise<void> => {
    if (interrupt.aborted) return;
    const check = byName.get(name)!;
    const obstacle = unmetNeed(check, results);
    if (obstacle === undefined) watcher.started(name);
    const result: Result =
      obstacle === undefined
        ? await runCheck(check, deadline, interrupt, options)
        : { check: name, outcome: 'skipped', ms: 0, reason: obstacle };
    if (interrupt.aborted) return;
    results.set(name, result);
    watcher.ended(result);
  };
  const needsOf = (name: string): readonly string[] =>
    byName.get(name)!.needs.filter((need) => byName.has(need));
  const names = [...byName.keys()];
  const isLast = (name: string): boolean => byName.get(name)!.last === true;
  const deadline = performance.now() + options.timeoutMs;
  await visitInOrder(
    names.filter((name) => !isLast(name)),
    needsOf,
    async (name) => visit(name, deadline, signal),
  );
  for (const name of names.filter(isLast)) await visit(name, Infinity, cleanupSignal);
  return checks.flatMap(({ name }) => results.get(name) ?? []);
}

/** Why a check cannot run: the first need that has not passed. */
function unmetNeed({ needs }: Check, results: ReadonlyMap<string, Result>): string | undefined {
  for (const need of needs) {
    const outcome = results.get(need)?.outcome;
    if (outcome === undefined) return `needs ${need}, which was left out`;
    if (outcome === 'failed') return `needs ${need}, which failed`;
    if (outcome === 'skipped') return `needs ${need}, which was skipped`;
  }
  return undefined;
}

/** `deadline` is on the clock of performance.now(). */
async function runCheck(
  check: Check,
  deadline: number,
  signal: AbortSignal,
  { context, watcher, suspects }: RunOptions,
): Promise<Result> {
  const { name } = check;
  const start = performance.now();
  const ownDeadline = Math.min(start + check.deadlineMs, deadline);
  const waitUntil = waiter(signal, ownDeadline, (reason) => watcher.waiting(name, reason));
  try {
    await check.run({ ...context, signal, until: waitUntil });
    return { check: name, outcome: 'passed', ms: performance.now() - start };
  } catch (error) {
    if (error instanceof NotApplicable) {
      return { check: name, outcome: 'skipped', ms: 0, reason: error.message };
    }
    const ms = performance.now() - start;
    const lines = await Promise.all([
      suspects().catch((cause: unknown) => [`cannot ask the node what is not ready: ${reasonOf(cause)}`]),
      evidence(context, name, signal),
    ]);
    return { check: name, outcome: 'failed', ms, reason: reasonOf(error), evidence: lines.flat() };
  }
}

/** {@link Context.until} for a check with this deadline. */
function waiter(
  signal: AbortSignal,
  deadline: number,
  onAttemptFailed: (reason: string) => void,
): Context['until'] {
  return async (step, probe) => {
    const stop = new AbortController();
    const attempt = async (attemptSignal: AbortSignal): Promise<void> =>
      probe(attemptSignal).catch((error: unknown) => {
        if (error instanceof PermanentFailure) stop.abort(error);
        throw error;
      });
    const timeoutMs = Math.max(0, deadline - performance.now());
    const options = {
      timeoutMs,
      attemptTimeoutMs,
      onAttemptFailed: (reason: string) => onAttemptFailed(`${step}: ${reason}`),
    };
    await until(attempt, options, AbortSignal.any([signal, stop.signal])).catch((error: unknown) => {
      if (error instanceof PermanentFailure) throw new Error(`${step}: ${error.message}`, { cause: error });
      if (!(error instanceof DeadlineExceeded)) throw error;
      const seconds = (timeoutMs / 1000).toFixed(1);
      throw new Error(`${step}: ${error.lastReason} (after ${seconds} s)`, { cause: error });
    });
  };
}
