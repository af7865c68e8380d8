import { DeadlineExceeded, until } from '../../probes/until.ts';
import { reasonOf } from '../lib/errors.ts';
import { visitInOrder } from '../engine/graph.ts';
import { PermanentFailure, NotApplicable, type Check, type Context, type Result } from './check.ts';
import { evidence } from './evidence.ts';

/** What people see while checks run. */
export interface Watcher {
  readonly started: (check: string) => void;
  /** What it waits for right now. */
  readonly waiting: (check: string, reason: string) => void;
  readonly ended: (result: Result) => void;
}

export interface RunOptions {
  readonly context: Omit<Context, 'until' | 'signal'>;
  /** No check goes on for longer than this, in ms from now; the last ones have their own time. */
  readonly timeoutMs: number;
  readonly watcher: Watcher;
  /** Lines to add to the evidence of a failure, as the components of the node that are not ready. */
  readonly suspects: () => Promise<readonly string[]>;
  /** Interrupts the checks, and goes on with the last ones. */
  readonly signal: AbortSignal;
  /** Interrupts the last ones, too. */
  readonly hurry: AbortSignal;
}

/** The time limit of one look, in ms: a look may be a whole `kubectl exec`. */
const attemptTimeoutMs = 15_000;

/**
 * Runs the checks, each when all that it needs have passed, the others meanwhile, and resolves with a result for each,
 * in order. What needs a check that did not pass is skipped; what was interrupted has no result. Never rejects.
 */
export async function runChecks(checks: readonly Check[], options: RunOptions): Promise<readonly Result[]> {
  const byName = new Map(checks.map((check) => [check.name, check]));
  const results = new Map<string, Result>();
  const { watcher, signal, hurry } = options;
  const end = performance.now() + options.timeoutMs;
  const visit = async (name: string, stopAt = end, interrupt = signal): Promise<void> => {
    if (interrupt.aborted) return;
    const check = byName.get(name)!;
    const reason = whyNot(check, results);
    if (reason === undefined) watcher.started(name);
    const result: Result =
      reason === undefined
        ? await perform(check, stopAt, interrupt, options)
        : { check: name, is: 'skipped', ms: 0, reason };
    if (interrupt.aborted) return;
    results.set(name, result);
    watcher.ended(result);
  };
  const before = (name: string): readonly string[] =>
    byName.get(name)!.needs.filter((need) => byName.has(need));
  const isLast = (name: string): boolean => byName.get(name)!.last === true;
  const names = [...byName.keys()];
  await visitInOrder(
    names.filter((name) => !isLast(name)),
    before,
    visit,
  );
  for (const name of names.filter(isLast)) await visit(name, Infinity, hurry);
  return checks.flatMap(({ name }) => results.get(name) ?? []);
}

/** The need that is in the way. */
function whyNot({ needs }: Check, results: ReadonlyMap<string, Result>): string | undefined {
  for (const need of needs) {
    const is = results.get(need)?.is;
    if (is === undefined) return `needs ${need}, which was left out`;
    if (is === 'failed') return `needs ${need}, which failed`;
    if (is === 'skipped') return `needs ${need}, which was skipped`;
  }
  return undefined;
}

async function perform(
  check: Check,
  end: number,
  signal: AbortSignal,
  { context, watcher, suspects }: RunOptions,
): Promise<Result> {
  const { name } = check;
  const begin = performance.now();
  const waits = waiter(signal, Math.min(begin + check.deadlineMs, end), (why) => watcher.waiting(name, why));
  try {
    await check.run({ ...context, signal, until: waits });
    return { check: name, is: 'passed', ms: performance.now() - begin };
  } catch (error) {
    if (error instanceof NotApplicable) return { check: name, is: 'skipped', ms: 0, reason: error.message };
    const ms = performance.now() - begin;
    const [blamed, found] = await Promise.all([
      suspects().catch((cause: unknown) => [`the node does not say what is not ready: ${reasonOf(cause)}`]),
      evidence(context, name, signal),
    ]);
    return { check: name, is: 'failed', ms, reason: reasonOf(error), evidence: [...blamed, ...found] };
  }
}

/** {@link Context.until} of a check that has to be done at `deadline` (as performance.now() has it). */
function waiter(
  signal: AbortSignal,
  deadline: number,
  onAttemptFailed: (reason: string) => void,
): Context['until'] {
  return async (step, probe) => {
    const stop = new AbortController();
    const look = async (lookSignal: AbortSignal): Promise<void> =>
      probe(lookSignal).catch((error: unknown) => {
        if (error instanceof PermanentFailure) stop.abort(error);
        throw error;
      });
    const timeoutMs = Math.max(0, deadline - performance.now());
    const options = {
      timeoutMs,
      attemptTimeoutMs,
      onAttemptFailed: (reason: string) => onAttemptFailed(`${step}: ${reason}`),
    };
    await until(look, options, AbortSignal.any([signal, stop.signal])).catch((error: unknown) => {
      if (error instanceof PermanentFailure) throw new Error(`${step}: ${error.message}`, { cause: error });
      if (!(error instanceof DeadlineExceeded)) throw error;
      const seconds = (timeoutMs / 1000).toFixed(1);
      throw new Error(`${step}: ${error.lastReason} (after ${seconds} s)`, { cause: error });
    });
  };
}
