import pRetry from 'p-retry';
import { isProgrammingError } from '../../../probes/probeOnce.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { restartDefaults } from '../component.ts';
import type { Component, EventBody, RestartPolicy } from '../component.ts';
import { DependencyLost, dependencyLost, waitForDependencies } from './dependencies.ts';
import type { ResolvedDependency } from './dependencies.ts';
import type { ForcedShutdown } from './forcedShutdown.ts';
import { finished, linkedController } from './linked.ts';
import type { ReadinessLatch } from './readinessLatch.ts';
import { RestartLimiter } from './restartLimiter.ts';
import { runService, runTask } from './run.ts';

/** What a {@link ComponentSupervisor} needs to know besides its component. */
export interface SupervisorContext {
  /** Set while the component is ready. */
  readonly ready: ReadinessLatch;
  /** Set from each start of the component to its end. */
  readonly started: ReadinessLatch;
  readonly dependencies: readonly ResolvedDependency[];
  readonly logFile: string;
  readonly emit: (event: EventBody) => void;
  /** Called when the component will not be started again. */
  readonly onFailed: (failure: Failure) => void;
  readonly forcedShutdown: ForcedShutdown;
  /** The command that shows the component's log. */
  readonly logsCommand?: string | undefined;
}

/** The component while it is wanted: from `start` until it was stopped or has failed for good. */
interface Running {
  readonly stopRequested: AbortController;
  readonly ended: Promise<void>;
}

/**
 * Keeps one component up:
 *
 *     start() -> waiting for dependencies -> starting -> ready --- stop() --> stopped
 *                         ^                     |          |
 *                         +----- back-off ------+----------+ exited, unhealthy, dependency lost
 *                                   |
 *                                   +-- too many failures --> failed
 *
 * A run that was ready for `resetAfterMs` is followed by the next at once, and the back-off starts anew. A run that lost
 * a dependency costs nothing. Every other end counts as a failure.
 */
export class ComponentSupervisor {
  readonly #component: Component;
  readonly #context: SupervisorContext;
  readonly #policy: RestartPolicy;
  #running: Running | undefined;
  /** What was requested last: a start during a stop is not lost. */
  #desired: 'started' | 'stopped' = 'stopped';
  #attempt = 0;

  constructor(component: Component, context: SupervisorContext) {
    this.#component = component;
    this.#context = context;
    this.#policy = { ...defaultsOf(component), ...component.restart };
  }

  /**
   * Starts the component as soon as its dependencies are ready, and keeps it up. Does nothing when it is started already;
   * during a stop it is started afterwards.
   */
  start(): void {
    this.#desired = 'started';
    this.#running ??= this.#begin();
  }

  /** Stops the component. Resolves when its whole process group is gone. */
  async stop(): Promise<void> {
    this.#desired = 'stopped';
    const stopping = this.#running;
    if (stopping === undefined) return;
    stopping.stopRequested.abort(new Error('asked to stop'));
    await stopping.ended;
    // With several concurrent stops the first one does the rest.
    if (this.#running !== stopping) return;
    this.#running = undefined;
    this.#emit({ type: 'stopped' });
    if (this.#isDesired()) this.#running = this.#begin();
  }

  #isDesired(): boolean {
    return this.#desired === 'started';
  }

  #begin(): Running {
    const stopRequested = new AbortController();
    const ended = this.#keepUp(stopRequested.signal).catch((error: unknown) => {
      if (!stopRequested.signal.aborted) this.#giveUp(error);
    });
    return { stopRequested, ended };
  }

  #giveUp(error: unknown): void {
    this.#running = undefined;
    if (error instanceof DependencyLost) return this.#emit({ type: 'stopped' });
    this.#emit({ type: 'failed', reason: reasonOf(error) });
    const { logsCommand } = this.#context;
    this.#context.onFailed(failureOf(this.#component, this.#policy, { cause: error, logsCommand }));
  }

  /** Runs the component again and again with back-off in between. Rejects when it is to be given up. */
  async #keepUp(stopRequested: AbortSignal): Promise<void> {
    const policy = this.#policy;
    const limiter = new RestartLimiter(policy);
    while (!stopRequested.aborted) {
      // 10 % jitter either way, so that components that died together do not restart together.
      const minTimeout = policy.delayMs * (0.9 + Math.random() * 0.2);
      await pRetry(async () => this.#runOnce(stopRequested), {
        signal: stopRequested,
        retries: Number.POSITIVE_INFINITY,
        minTimeout,
        maxTimeout: policy.maxDelayMs,
        shouldRetry: ({ error, retriesConsumed }) => {
          if (stopRequested.aborted || error instanceof Failure || error instanceof DependencyLost)
            return false;
          if (isProgrammingError(error)) return false;
          if (policy.when === 'never' || !limiter.recordFailure()) return false;
          const ms = Math.min(policy.maxDelayMs, Math.round(minTimeout * 2 ** retriesConsumed));
          this.#emit({ type: 'backoff', ms, reason: error.message });
          return true;
        },
      });
    }
  }

  /** One run. Resolves when the next one follows at once; rejects when a back-off comes first or nothing follows. */
  async #runOnce(stopRequested: AbortSignal): Promise<void> {
    const { dependencies, ready, started, logFile, forcedShutdown } = this.#context;
    const emit = (event: EventBody): void => this.#emit(event);
    await waitForDependencies(dependencies, emit, stopRequested);
    this.#attempt += 1;
    const lossesBefore = lossesOf(dependencies);
    const { own: end, unlink } = linkedController(stopRequested);
    let readySince = Number.POSITIVE_INFINITY;
    let wasReadyFor = 0;
    const onReady = (): void => {
      readySince = performance.now();
      ready.set();
    };
    const onEnd = (): void => {
      wasReadyFor = performance.now() - readySince;
      ready.reset();
      started.reset();
    };
    dependencyLost(dependencies, end.signal).then(
      (loss) => end.abort(loss),
      () => undefined,
    );
    const context = {
      attempt: this.#attempt,
      logFile,
      forcedShutdown,
      emit,
      onReady,
      onEnd,
      signal: end.signal,
    };
    try {
      const component = this.#component;
      await (component.kind === 'task' ? runTask(component, context) : runService(component, context));
    } catch (error) {
      if (stopRequested.aborted || error instanceof Failure) throw error;
      if (error instanceof DependencyLost) {
        if (error.whenLost === 'stop') throw error;
        // Not a failure, even when the dependency was lost before the losses were counted above.
        return;
      }
      const isDependencysFault = lossesOf(dependencies) > lossesBefore;
      if (!isDependencysFault && wasReadyFor < this.#policy.resetAfterMs) throw error;
    } finally {
      unlink();
      end.abort(finished);
      onEnd();
    }
  }

  #emit(event: EventBody): void {
    if (event.type === 'starting') this.#context.started.set();
    this.#context.emit(event);
  }
}

function defaultsOf({ kind }: Component): RestartPolicy {
  return kind === 'task' ? { ...restartDefaults, when: 'never' } : restartDefaults;
}

function lossesOf(dependencies: readonly ResolvedDependency[]): number {
  return dependencies.reduce((sum, { latch }) => sum + latch.resetCount, 0);
}

function failureOf(
  { kind, name }: Component,
  policy: RestartPolicy,
  { cause, logsCommand }: { cause: unknown; logsCommand: string | undefined },
): Failure {
  if (cause instanceof Failure) return cause;
  const reason = reasonOf(cause);
  if (kind === 'task') return new Failure('notReady', `${name} failed: ${reason}`, { cause });
  if (isProgrammingError(cause))
    return new Failure('crashLoop', `the definition of ${name} has a mistake: ${reason}`, { cause });
  const how =
    policy.when === 'never'
      ? 'ended and is not to be restarted'
      : `is in a crash loop (more than ${policy.maxFailures} failures within ${policy.windowMs / 1000} s)`;
  return new Failure('crashLoop', `${name} ${how}: ${reason}`, {
    cause,
    ...(logsCommand !== undefined && { hint: `see its log: ${logsCommand}` }),
  });
}
