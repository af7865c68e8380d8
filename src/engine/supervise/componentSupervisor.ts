import pRetry from 'p-retry';
import { isProgrammingError } from '../../../probes/probeOnce.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { restartDefaults, stopDefaults } from '../component.ts';
import type { Component, Diagnosis, EventBody, RestartPolicy } from '../component.ts';
import { checkDependencies, DependencyLost, dependencyLost, waitForDependencies } from './dependencies.ts';
import type { ResolvedDependency } from './dependencies.ts';
import type { ForcedShutdown } from './forcedShutdown.ts';
import { finished, linkedController } from './linkedController.ts';
import type { ReadinessLatch } from './readinessLatch.ts';
import { RestartLimiter } from './restartLimiter.ts';
import { adopt, StillRunning } from './process.ts';
import { NotAdopted, ProgramExited, rejectOnAbort, runService, runTask } from './run.ts';

/** What a {@link ComponentSupervisor} gets from the graph. */
export interface SupervisorContext {
  /** Set while the component is ready. */
  readonly ready: ReadinessLatch;
  /** Set from the start to the end of each run. */
  readonly started: ReadinessLatch;
  readonly dependencies: readonly ResolvedDependency[];
  readonly logFile: string;
  readonly emit: (event: EventBody) => void;
  /** Called when a failure is final: the component is not restarted. */
  readonly onFailed: (failure: Failure) => void;
  readonly forcedShutdown: ForcedShutdown;
  /** Called before each start but the first. */
  readonly beforeRestart?: (() => Promise<void>) | undefined;
  /** The command that shows the component's log. */
  readonly logsCommand?: string | undefined;
}

/**
 * A run that was ready for a shorter time than this is followed by a back-off, whatever `resetAfterMs` says. So long is the
 * shortest back-off if the limit of failures does not end a loop of such runs.
 */
const shortRunMs = 1000;

/** Exists from `start` until the component has stopped or failed for good. */
interface Active {
  readonly stopRequested: AbortController;
  /** With what a requested stop could not end. Never rejects. */
  readonly ended: Promise<StillRunning | undefined>;
}

/**
 * Keeps one component up:
 *
 *                                                             +-- exit code 0 --> ready, and done: no process
 *                                                             |                     |
 *     start() -> waiting for dependencies -> starting ----> ready --- stop() ---+---+--> stopped
 *                         ^                     |             |
 *                         +----- back-off ------+-------------+ exited, unhealthy, dependency lost
 *                                   |
 *                                   +-- too many failures, twice one that no restart fixes,
 *                                       or restart.when is `never` --> failed
 *
 * A service whose program exits with code 0 is done if `when` is `onFailure` or `never`; if it was not ready before, its
 * readiness probe must pass once more. A run that ends because of a dependency is not a failure. Every other end is, and
 * final with `never`, and at the very first start if it is a Failure: something of the machine or the config is wrong, and
 * nothing is lost yet. Later a program that is missing or a port that is held may be so for a moment. After a run that was
 * ready for `resetAfterMs` and for 1 s, the next starts immediately and the back-off starts again: after a shorter one there
 * is always a back-off.
 */
export class ComponentSupervisor {
  readonly #component: Component;
  readonly #context: SupervisorContext;
  readonly #policy: RestartPolicy;
  #active: Active | undefined;
  /** The last request: a start during a stop takes effect after it. */
  #desired: 'started' | 'stopped' = 'stopped';
  #attempt = 0;
  /** Processes of an earlier run that cannot be killed: until they end, nothing is started beside them. */
  #leftovers: StillRunning | undefined;

  constructor(component: Component, context: SupervisorContext) {
    this.#component = component;
    this.#context = context;
    this.#policy = { ...defaultsOf(component), ...component.restart };
  }

  /** Starts the component when its dependencies are met, and keeps it up. During a stop: starts it afterwards. */
  start(): void {
    this.#desired = 'started';
    this.#active ??= this.#activate();
  }

  /** Announces a stop: from now on, an exit is no failure, and no run follows it. A `start` takes effect after the stop. */
  announceStop(): void {
    this.#desired = 'stopped';
  }

  /**
   * Carries out an announced stop. Resolves when the whole process group is gone.
   * @throws Failure `notReady` if it cannot be killed
   */
  async stop(): Promise<void> {
    const active = this.#active;
    if (active === undefined) return;
    active.stopRequested.abort(new Error('stop requested'));
    const leftovers = (await active.ended) ?? (await this.#stopPredecessor());
    // Of several concurrent stops, the first one does the rest.
    if (this.#active === active) {
      this.#active = undefined;
      if (leftovers === undefined) this.#emit({ type: 'stopped' });
      else
        this.#emit({ type: 'failed', reason: `cannot be stopped: ${leftovers.message}`, othersKept: true });
      if (this.#isDesired()) this.#active = this.#activate();
    }
    if (leftovers !== undefined) throw notStopped(this.#component, leftovers);
  }

  /** The process of an earlier supervisor that still waits to be taken over, as its dependencies are not ready. */
  async #stopPredecessor(): Promise<StillRunning | undefined> {
    if (this.#component.kind === 'task') return undefined;
    const { adoption, stop } = this.#component;
    const predecessor = adoption?.takePredecessor();
    const process = predecessor && adopt(predecessor.pid, this.#context.logFile);
    return process?.stop({ ...stopDefaults, ...stop }, this.#context.forcedShutdown).then(
      () => undefined,
      (error: unknown) => {
        if (!(error instanceof StillRunning)) throw error;
        this.#leftovers = error;
        return error;
      },
    );
  }

  #isDesired(): boolean {
    return this.#desired === 'started';
  }

  #activate(): Active {
    const stopRequested = new AbortController();
    const ended = this.#keepUp(stopRequested.signal).catch((error: unknown) => {
      if (!stopRequested.signal.aborted) this.#onFinalError(error);
      return stopRequested.signal.aborted ? this.#findLeftovers() : undefined;
    });
    return { stopRequested, ended };
  }

  async #findLeftovers(): Promise<StillRunning | undefined> {
    const leftovers = this.#leftovers;
    return leftovers?.ended(new AbortController().signal).then(
      () => undefined,
      () => leftovers,
    );
  }

  #onFinalError(error: unknown): void {
    this.#active = undefined;
    if (error instanceof DependencyLost) return this.#emit({ type: 'stopped' });
    const othersKept = this.#policy.onFailure === 'keepOthers';
    const diagnosis = diagnosisOf(this.#component, error);
    const reason =
      diagnosis?.fault === undefined ? reasonOf(error) : `${diagnosis.fault}: ${reasonOf(error)}`;
    this.#emit({ type: 'failed', reason, ...(othersKept && { othersKept }) });
    const { logsCommand } = this.#context;
    this.#context.onFailed(
      failureOf(this.#component, this.#policy, { cause: error, reason, diagnosis, logsCommand }),
    );
  }

  /** Runs the component in a loop, with back-off after failures. Rejects with the error that is final. */
  async #keepUp(stopRequested: AbortSignal): Promise<undefined> {
    const policy = this.#policy;
    const limiter = new RestartLimiter(policy);
    const leastMs = limiter.endsLoops ? 0 : shortRunMs;
    const maxTimeout = Math.max(policy.maxDelayMs, leastMs);
    let isPermanent = false;
    while (!stopRequested.aborted) {
      // 10 % jitter, so that components that exited together do not restart together.
      const minTimeout = Math.max(policy.delayMs * (0.9 + Math.random() * 0.2), leastMs);
      const run = async (): Promise<void> => {
        if ((await this.#runOnce(stopRequested)) === 'good') limiter.reset();
        isPermanent = false;
      };
      await pRetry(run, {
        signal: stopRequested,
        retries: Number.POSITIVE_INFINITY,
        minTimeout,
        maxTimeout,
        shouldRetry: ({ error, retriesConsumed }) => {
          if (stopRequested.aborted || isFinal(error, this.#attempt)) return false;
          const wasPermanent = isPermanent;
          isPermanent = diagnosisOf(this.#component, error)?.isPermanent ?? false;
          if (policy.when === 'never' || (wasPermanent && isPermanent)) return false;
          if (!limiter.recordFailure()) return false;
          const ms = Math.min(maxTimeout, Math.round(minTimeout * 2 ** retriesConsumed));
          this.#emit({ type: 'backoff', ms, reason: error.message });
          return true;
        },
      });
    }
  }

  /**
   * One run. Resolves if the next follows immediately: because this one was ready for long enough, or because its end was no
   * failure but, for one, that of a dependency. Rejects if a back-off comes first, or if the error is final.
   */
  async #runOnce(stopRequested: AbortSignal): Promise<'good' | 'noFailure'> {
    const { dependencies, ready, started, logFile, forcedShutdown } = this.#context;
    const component = this.#component;
    const emit = (event: EventBody): void => this.#emit(event);
    await waitForDependencies(dependencies, emit, stopRequested);
    await this.#leftovers?.ended(stopRequested);
    this.#leftovers = undefined;
    const { beforeRestart } = this.#context;
    if (this.#attempt > 0 && beforeRestart !== undefined) {
      // A stop does not wait for it.
      await Promise.race([beforeRestart(), rejectOnAbort(stopRequested)]);
      if (dependencies.some(({ latch }) => !latch.isSet)) return 'noFailure';
    }
    if (!this.#isDesired()) return rejectOnAbort(stopRequested);
    const lossesBefore = lossesOf(dependencies);
    const { controller: end, unlink } = linkedController(stopRequested);
    dependencyLost(dependencies, end.signal).then(
      (loss) => end.abort(loss),
      () => undefined,
    );
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
    this.#attempt += 1;
    const successIsDone = this.#policy.when !== 'always';
    const common = { attempt: this.#attempt, successIsDone, logFile, forcedShutdown, emit };
    const onLost = (): void => ready.reset();
    const check = (): void => checkDependencies(dependencies);
    const context = { ...common, checkDependencies: check, onReady, onLost, onEnd, signal: end.signal };
    try {
      return await (component.kind === 'task' ? runTask(component, context) : runService(component, context));
    } catch (error) {
      if (error instanceof StillRunning) this.#leftovers = error;
      if (stopRequested.aborted) throw error;
      // Not a failure: its dependents are being stopped, and it is the next.
      if (!this.#isDesired()) return 'noFailure';
      if (error instanceof Failure) throw error;
      if (error instanceof NotAdopted) return 'noFailure';
      if (error instanceof DependencyLost) {
        if (error.whenLost === 'stop') throw error;
        // Not a failure, even if the dependency was lost before the losses were counted above.
        return 'noFailure';
      }
      if (component.kind === 'service' && this.#policy.when === 'never') throw error;
      if (wasReadyFor >= Math.max(shortRunMs, this.#policy.resetAfterMs)) return 'good';
      if (lossesOf(dependencies) > lossesBefore) return 'noFailure';
      throw error;
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

function notStopped({ name }: Component, cause: StillRunning): Failure {
  return new Failure('notReady', `${name} cannot be stopped: ${cause.message}`, {
    cause,
    hint: 'SIGKILL does not end it: see what it waits for, such as a hung disk or mount, in /proc/PID/stack',
  });
}

/** Whether there is no other run, whatever the policy says. `attempt`: that of the run that ended with this error. */
function isFinal(error: unknown, attempt: number): boolean {
  if (error instanceof Failure) return attempt <= 1;
  return error instanceof DependencyLost || isProgrammingError(error);
}

function lossesOf(dependencies: readonly ResolvedDependency[]): number {
  return dependencies.reduce((sum, { latch }) => sum + latch.resetCount, 0);
}

/** What the component's program has said of this failure. */
function diagnosisOf(component: Component, error: unknown): Diagnosis | undefined {
  if (component.kind === 'task' || error instanceof Failure) return undefined;
  return component.diagnose?.(reasonOf(error), error instanceof ProgramExited ? error.lastLines : []);
}

/** A failure that is final, and why. */
interface FinalError {
  readonly cause: unknown;
  readonly reason: string;
  readonly diagnosis: Diagnosis | undefined;
  readonly logsCommand: string | undefined;
}

function failureOf(
  { kind, name }: Component,
  policy: RestartPolicy,
  { cause, reason, diagnosis, logsCommand }: FinalError,
): Failure {
  if (cause instanceof Failure) return cause;
  if (kind === 'task') return new Failure('notReady', `${name} failed: ${reason}`, { cause });
  if (isProgrammingError(cause))
    return new Failure('crashLoop', `the definition of ${name} has a mistake: ${reason}`, { cause });
  const crashLoop = `is in a crash loop (more than ${policy.maxFailures} failures within ${policy.windowMs / 1000} s)`;
  const how =
    diagnosis?.isPermanent === true
      ? 'cannot run'
      : policy.when === 'never'
        ? 'ended and is not to be restarted'
        : crashLoop;
  const hints = [
    diagnosis?.remedy ?? (logsCommand === undefined ? [] : `see its log: ${logsCommand}`),
    reason.startsWith('exited with code 0') ? 'if it is meant to end: restart: { when: onFailure }' : [],
  ].flat();
  return new Failure('crashLoop', `${name} ${how}: ${reason}`, {
    cause,
    ...(hints.length > 0 && { hint: hints.join('; ') }),
  });
}
