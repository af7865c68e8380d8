import pRetry from 'p-retry';
import { restartDefaults } from '../component.ts';
import type { Component, Happening, RestartPolicy } from '../component.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { isMistake } from '../../../probes/probeOnce.ts';
import { Budget } from './restartLimiter.ts';
import type { Gate } from './readinessLatch.ts';
import type { Hurry } from './forcedShutdown.ts';
import { liveService, liveTask } from './run.ts';
import { linked, over } from './linked.ts';
import { lost, NeedLost, needsReady } from './dependencies.ts';
import type { Bond } from './dependencies.ts';

/** One component under supervision. Its gate is open while it is ready. */
export interface Supervised {
  /**
   * Starts it as soon as its needs are ready and keeps it up. Does nothing while it is started already; while it is being
   * stopped it is started after that.
   */
  start(): void;
  /** Ends it and resolves when its whole process group is gone. */
  stop(): Promise<void>;
}

/** What supervision needs to know besides the component. */
export interface Ward {
  readonly gate: Gate;
  /** Open from its start to its end. */
  readonly started: Gate;
  readonly needs: readonly Bond[];
  readonly logFile: string;
  readonly say: (happening: Happening) => void;
  /** It will not be started again. */
  readonly onGivenUp: (failure: Failure) => void;
  /** When there is no time left for a grace. */
  readonly hurry: Hurry;
  /** Shows its log. */
  readonly logsCommand?: string | undefined;
}

/**
 * Keeps one component up:
 *
 *     start() -> waiting for needs -> starting -> ready --- stop() --> stopped
 *                     ^                  |          |
 *                     +---- back-off ----+----------+ exited, unhealthy, need lost
 *                               |
 *                               +-- budget spent --> given up
 *
 * A life that was ready for long is followed by the next at once and the back-off starts anew; a life that lost one of
 * its needs costs nothing; every other end counts against the budget.
 */
export function supervise(component: Component, ward: Ward): Supervised {
  const { gate, started } = ward;
  const say = (happening: Happening): void => {
    if (happening.type === 'starting') started.open();
    ward.say(happening);
  };
  const policy: RestartPolicy = { ...defaultsOf(component), ...component.restart };
  let running: { orders: AbortController; ended: Promise<void> } | undefined;
  /** What was asked for last: a start while it is being stopped is not lost. */
  let wanted = false;
  let attempt = 0;

  /** One life. Resolves when the next shall follow at once; rejects when a back-off comes first. */
  async function live(signal: AbortSignal): Promise<void> {
    await needsReady(ward.needs, say, signal);
    attempt += 1;
    const needsLost = lossesOf(ward.needs);
    const { own: end, unlink } = linked(signal);
    let readySince = Number.POSITIVE_INFINITY;
    let wasReadyFor = 0;
    const onReady = (): void => {
      readySince = performance.now();
      gate.open();
    };
    const onEnd = (): void => {
      wasReadyFor = performance.now() - readySince;
      gate.close();
      started.close();
    };
    lost(ward.needs, end.signal).then(
      (loss) => end.abort(loss),
      () => undefined,
    );
    try {
      const { logFile, hurry } = ward;
      const around = { logFile, hurry, say, attempt, onReady, onEnd, signal: end.signal };
      await (component.kind === 'task' ? liveTask(component, around) : liveService(component, around));
    } catch (error) {
      if (signal.aborted || error instanceof Failure) throw error;
      if (error instanceof NeedLost) {
        if (error.whenLost === 'stop') throw error;
        // Free even when it was lost between the wait for the needs and the count above.
        return;
      }
      const free = lossesOf(ward.needs) > needsLost;
      if (!free && wasReadyFor < policy.resetAfterMs) throw error;
    } finally {
      unlink();
      end.abort(over);
      onEnd();
    }
  }

  /** Lives with back-off between them, until ordered to stop or given up. */
  async function keepUp(orders: AbortSignal): Promise<void> {
    const budget = new Budget(policy);
    while (!orders.aborted) {
      // Jitter of 10 % either way, so that what died together does not come back together.
      const minTimeout = policy.delayMs * (0.9 + Math.random() * 0.2);
      await pRetry(async () => live(orders), {
        signal: orders,
        retries: Number.POSITIVE_INFINITY,
        minTimeout,
        maxTimeout: policy.maxDelayMs,
        shouldRetry: ({ error, retriesConsumed }) => {
          if (orders.aborted || error instanceof Failure || error instanceof NeedLost) return false;
          if (isMistake(error)) return false;
          if (policy.when === 'never' || !budget.charge()) return false;
          const ms = Math.min(policy.maxDelayMs, Math.round(minTimeout * 2 ** retriesConsumed));
          say({ type: 'backoff', ms, reason: error.message });
          return true;
        },
      });
    }
  }

  function begin(): void {
    const orders = new AbortController();
    const ended = keepUp(orders.signal).catch((error: unknown) => {
      if (orders.signal.aborted) return;
      running = undefined;
      if (error instanceof NeedLost) return say({ type: 'stopped' });
      say({ type: 'failed', reason: reasonOf(error) });
      ward.onGivenUp(failureOf(component, policy, { cause: error, logsCommand: ward.logsCommand }));
    });
    running = { orders, ended };
  }

  return {
    start(): void {
      wanted = true;
      if (running === undefined) begin();
    },
    async stop(): Promise<void> {
      wanted = false;
      const stopping = running;
      if (stopping === undefined) return;
      stopping.orders.abort(new Error('asked to stop'));
      await stopping.ended;
      // Whoever asked first has done the rest.
      if (running !== stopping) return;
      running = undefined;
      say({ type: 'stopped' });
      if (wanted) begin();
    },
  };
}

function defaultsOf({ kind }: Component): RestartPolicy {
  return kind === 'task' ? { ...restartDefaults, when: 'never' } : restartDefaults;
}

function lossesOf(bonds: readonly Bond[]): number {
  return bonds.reduce((sum, { gate }) => sum + gate.timesLost, 0);
}

function failureOf(
  { kind, name }: Component,
  policy: RestartPolicy,
  { cause, logsCommand }: { cause: unknown; logsCommand: string | undefined },
): Failure {
  if (cause instanceof Failure) return cause;
  const reason = reasonOf(cause);
  if (kind === 'task') return new Failure('notReady', `${name} failed: ${reason}`, { cause });
  if (isMistake(cause))
    return new Failure('crashLoop', `${name} has a mistake in its definition: ${reason}`, { cause });
  const how =
    policy.when === 'never'
      ? 'ended and is not to be restarted'
      : `is in a crash loop (more than ${policy.budget} failures within ${policy.budgetWindowMs / 1000} s)`;
  return new Failure('crashLoop', `${name} ${how}: ${reason}`, {
    cause,
    ...(logsCommand !== undefined && { hint: `see its log: ${logsCommand}` }),
  });
}
