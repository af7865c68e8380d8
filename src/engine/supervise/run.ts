import { once } from 'node:events';
import { notStopped } from '../../../probes/kinds/notStopped.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { isProgrammingError, probeOnce } from '../../../probes/probeOnce.ts';
import { until } from '../../../probes/until.ts';
import { watch } from '../../../probes/watch.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { startTimeoutMs, stopDefaults } from '../component.ts';
import type { Adoption, Command, EventBody, Program, Service, Task } from '../component.ts';
import { causeLine } from './causeLine.ts';
import { findDaemon } from './daemon.ts';
import type { ForcedShutdown } from './forcedShutdown.ts';
import { finished, linkedController } from './linkedController.ts';
import { attemptTimeoutMs, preStartCheck } from './preStartCheck.ts';
import { adopt, spawn, StillRunning, stopGroup } from './process.ts';
import type { Process } from './process.ts';

/** Number of log lines quoted when a process exits. */
const quotedLines = 20;

/** The program of a service has exited, and that is a failure. */
export class ProgramExited extends Error {
  /** The end of its log, or the lines around the cause. */
  readonly lastLines: readonly string[];

  constructor(message: string, lastLines: readonly string[]) {
    super(message);
    this.lastLines = lastLines;
  }
}

/**
 * The process of an earlier supervisor was not taken over, and is stopped. That is no failure of the component: the next run starts
 * another process.
 */
export class NotAdopted extends Error {}

/** What one run of a component gets from its supervisor. */
export interface RunContext {
  /** Counts the runs from 1. */
  readonly attempt: number;
  /** A service whose program exits with code 0 is done, which is no failure. */
  readonly successIsDone: boolean;
  readonly logFile: string;
  readonly emit: (event: EventBody) => void;
  /** Called right before the spawn. Throws if a dependency was lost while the start was prepared. */
  readonly checkDependencies: () => void;
  /** Called when the component is ready: a service once, a task again each time that it has become true again. */
  readonly onReady: () => void;
  /** Called when what a task has achieved is lost. */
  readonly onLost: () => void;
  /** Called as soon as the component is no longer ready, before its processes are stopped. */
  readonly onEnd: () => void;
  /** Aborts, with the reason, when the run is to end. */
  readonly signal: AbortSignal;
  readonly forcedShutdown: ForcedShutdown;
}

/**
 * One run of a service: check, resolve the command, spawn, wait until ready, watch. Ends with the stop of its process
 * group, then rejects with the reason: the process exited, became unhealthy, was not ready in time, or `signal` aborted. A
 * service that is done stays ready until `signal` aborts.
 */
export async function runService(service: Service, context: RunContext): Promise<never> {
  const { attempt, emit, signal } = context;
  if (service.adoption !== undefined) await runPredecessor(service, service.adoption, context);
  await preStartCheck(service, attempt, signal);
  const command = await resolveCommand(service, service.timeoutMs ?? startTimeoutMs, signal);
  const start = async (): Promise<Process> => {
    const child = await spawn(command, { path: context.logFile, target: service.logFile }, signal);
    service.adoption?.started(child.pid, command);
    return child;
  };
  const reason = await withProcess(service, start, context, async (child, startedAt) =>
    watchService(service, context, { child, command, startedAt }),
  );
  signal.throwIfAborted();
  emit({ type: 'done', reason });
  return rejectOnAbort(signal);
}

/** How long a process of an earlier supervisor may take until its readiness probe passes, in ms. It was ready long ago. */
const adoptedReadyMs = 10_000;

/**
 * A run with the process that an earlier supervisor has left, which ends as any other run does. Resolves at once if there is none.
 * @throws NotAdopted if it runs another command, or is not ready
 */
async function runPredecessor(service: Service, adoption: Adoption, context: RunContext): Promise<void> {
  const { emit, signal, logFile } = context;
  // Nothing may fail between here and the start of `use`: nobody else would stop it.
  context.checkDependencies();
  const predecessor = adoption.takePredecessor();
  const child = predecessor && adopt(predecessor.pid, logFile);
  if (predecessor === undefined || child === undefined) return;
  let wasReady = false;
  const onReady = (): void => {
    wasReady = true;
    context.onReady();
  };
  const use = async (startedAt: number): Promise<void> => {
    const command = await resolveCommand(service, service.timeoutMs ?? startTimeoutMs, signal);
    if (!predecessor.runs(command)) throw new Error('its command, or what it is made from, has changed');
    const impatient = { ...service, timeoutMs: adoptedReadyMs };
    await watchService(impatient, { ...context, onReady }, { child, command, startedAt });
  };
  await withProcess(
    service,
    async () => child,
    context,
    async (_child, startedAt) =>
      use(startedAt).catch((error: unknown) => {
        if (wasReady || signal.aborted || isProgrammingError(error)) throw error;
        const reason = `not taken over: ${reasonOf(error)}`;
        emit({ type: 'unhealthy', reason });
        throw new NotAdopted(reason, { cause: error });
      }),
  );
}

/** A process that was started, and when, in ms of `performance.now()`. */
interface Started {
  readonly child: Process;
  readonly command: Command;
  readonly startedAt: number;
}

/** Resolves with how the process ended when the service is done; rejects with the reason of a failure. */
async function watchService(service: Service, context: RunContext, started: Started): Promise<string> {
  const { emit, onReady, onEnd } = context;
  const { timeoutMs = startTimeoutMs, readyTiming } = service;
  const { child, startedAt } = started;
  const { controller: end, unlink } = linkedController(context.signal);
  let isDone = false;
  try {
    const ended = Promise.race([
      programEnded(service, context, started, end.signal),
      becameStopped(child, end.signal, emit),
    ]);
    const timing = { ...readyTiming, timeoutMs, onAttemptFailed: reasonReporter(emit, '') };
    const passed = until(service.ready, timing, end.signal).then(() => true);
    const isReady = await Promise.race([ended.then(() => false), passed]);
    // The probe may have passed because of a stale socket, or just as we were asked to stop. Check both.
    end.signal.throwIfAborted();
    if (child.hasExited()) {
      await ended;
      if (!isReady) await lastAttempt(service, child, emit, end.signal);
    }
    emit({ type: 'ready', ms: performance.now() - startedAt });
    onReady();
    const reason = await Promise.race([ended, becameUnhealthy(service, end.signal, emit)]);
    isDone = true;
    return reason;
  } finally {
    if (!isDone) onEnd();
    unlink();
    end.abort(finished);
  }
}

/**
 * Resolves with how the program ended if the service is done. Otherwise emits `exited` and rejects; rejects with the
 * signal's reason if that aborted before.
 * @throws Failure `preflight` if the program runs on in the background, where it cannot be supervised. It is stopped then.
 */
async function programEnded(
  { name, stop }: Service,
  { successIsDone, emit, forcedShutdown }: RunContext,
  { child, command, startedAt }: Started,
  signal: AbortSignal,
): Promise<string> {
  const { isSuccess, description } = await child.exited;
  if (!isSuccess || signal.aborted) return failOnExit(child, signal, emit);
  const daemon = await findDaemon(child.pid, command, startedAt, signal);
  if (signal.aborted) return rejectOnAbort(signal);
  if (successIsDone)
    return daemon === undefined ? description : `${description}, and left ${daemon.label} in the background`;
  if (daemon === undefined) return failOnExit(child, signal, emit);
  emit({ type: 'exited', reason: description, lastLines: child.lastLines(quotedLines) });
  if (daemon.group !== child.pid)
    await stopGroup(
      { pid: daemon.group, exited: child.exited },
      { ...stopDefaults, ...stop },
      forcedShutdown,
    );
  throw new Failure(
    'preflight',
    `${name} put itself into the background: it exited with code 0, but ${daemon.label} ran on`,
    {
      hint: 'run it in the foreground, as with nginx -g "daemon off;", httpd -f or cron -f: only then can it be supervised',
    },
  );
}

/** Runs the readiness probe once more, for a program that exited with code 0 between two attempts. */
async function lastAttempt(
  { ready, readyTiming }: Service,
  child: Process,
  emit: RunContext['emit'],
  signal: AbortSignal,
): Promise<void> {
  const timeoutMs = readyTiming?.attemptTimeoutMs ?? attemptTimeoutMs;
  await probeOnce(ready, timeoutMs, signal).catch(async (cause: unknown) => {
    if (signal.aborted) return rejectOnAbort(signal);
    const { description } = await child.exited;
    const reason = `${description} before it was ready: ${reasonOf(cause)}`;
    emit({ type: 'exited', reason, lastLines: child.lastLines(quotedLines) });
    throw new Error(reason, { cause });
  });
}

/**
 * One run of a task: do the work, then stay ready until `signal` aborts, except while its liveness probe fails. Rejects with
 * the reason: the work failed, was not done in time, or `signal` aborted.
 */
export async function runTask(task: Task, context: RunContext): Promise<never> {
  const { emit, onReady, signal } = context;
  const { timeoutMs = startTimeoutMs } = task;
  const startedAt = performance.now();
  const { controller: end, unlink } = linkedController(signal);
  const deadline = timeoutMs === Number.POSITIVE_INFINITY ? undefined : AbortSignal.timeout(timeoutMs);
  deadline?.addEventListener('abort', () => end.abort(deadline.reason));
  // A task function may go on for a while after its signal aborted. Its reports are ignored then.
  const report = reasonReporter((event) => end.signal.aborted || emit(event), 'no reason was given');
  try {
    await doWork(task, context, { end: end.signal, report });
    // A task function may also just return because its signal aborted.
    end.signal.throwIfAborted();
  } catch (error) {
    if (deadline?.aborted !== true || signal.aborted || error instanceof StillRunning) throw error;
    const seconds = (performance.now() - startedAt) / 1000;
    throw new Error(`not done within ${seconds.toFixed(0)} s: ${report.last}`, { cause: error });
  } finally {
    unlink();
  }
  emit({ type: 'ready', ms: performance.now() - startedAt });
  onReady();
  return task.live === undefined ? rejectOnAbort(signal) : keepTrue(task, task.live, context);
}

/** The pauses between two calls of a task's function that has to achieve something again, in ms. */
const againTiming = { periodMs: 1000, maxPeriodMs: 10_000 };

/** Watches what a task has achieved, and calls its function again when that is lost. Rejects when the signal aborts. */
async function keepTrue(
  { run, timeoutMs = startTimeoutMs, liveTiming }: Task,
  live: Probe,
  { emit, onReady, onLost, signal }: RunContext,
): Promise<never> {
  if (typeof run !== 'function') throw new TypeError('only a task with a function has a live probe');
  for (;;) {
    const reason = await watch(live, { ...liveTiming }, signal);
    const lostAt = performance.now();
    emit({ type: 'unhealthy', reason });
    onLost();
    const report = reasonReporter(emit, reason);
    const again: Probe = async (attempt) =>
      run(attempt, report).catch((error: unknown) => {
        if (isProgrammingError(error)) throw error;
        throw new Unhealthy(reasonOf(error), { cause: error });
      });
    const timing = { ...againTiming, timeoutMs: Number.POSITIVE_INFINITY, attemptTimeoutMs: timeoutMs };
    await until(again, { ...timing, onAttemptFailed: report }, signal);
    emit({ type: 'ready', ms: performance.now() - lostAt });
    onReady();
  }
}

/** Calls the task's function, or runs its program to the end. Rejects with the reason if it fails or `end` aborts. */
async function doWork(
  { run, timeoutMs = startTimeoutMs }: Task,
  context: RunContext,
  { end, report }: { readonly end: AbortSignal; readonly report: ReasonReporter },
): Promise<void> {
  const { attempt, emit } = context;
  if (typeof run === 'function') {
    emit({ type: 'starting', attempt });
    return Promise.race([run(end, report), rejectOnAbort(end)]);
  }
  report.last = 'its command is not known yet';
  const command = await resolveCommand(run, timeoutMs, end);
  report.last = 'its program is still running';
  const start = async (): Promise<Process> =>
    spawn(command, { path: context.logFile, target: run.logFile }, context.signal);
  await withProcess(run, start, context, async (child) => {
    try {
      const { isSuccess } = await Promise.race([child.exited, rejectOnAbort(end)]);
      if (!isSuccess) await failOnExit(child, end, emit);
    } catch (error) {
      context.onEnd();
      throw error;
    }
  });
}

/**
 * The command of a program; calls the function that gives it, if it is one. Rejects after `timeoutMs`, and immediately
 * when the signal aborts, even if the function hangs.
 */
async function resolveCommand(
  { command }: Program,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Command> {
  if (typeof command !== 'function') return command;
  signal.throwIfAborted();
  const { controller: end, unlink } = linkedController(signal);
  const deadline = AbortSignal.timeout(timeoutMs);
  const onTimeout = (): void => end.abort(new Error(`its command is not known after ${timeoutMs / 1000} s`));
  deadline.addEventListener('abort', onTimeout);
  const aborted = once(end.signal, 'abort').then(() => {
    throw end.signal.reason;
  });
  try {
    return await Promise.race([command(), aborted]);
  } finally {
    deadline.removeEventListener('abort', onTimeout);
    unlink();
    end.abort(finished);
  }
}

/** Starts the program, calls `use`, and stops the process group when `use` settles. */
async function withProcess<Result>(
  { stop }: Program,
  start: () => Promise<Process>,
  { signal, emit, attempt, forcedShutdown, checkDependencies }: RunContext,
  use: (child: Process, startedAt: number) => Promise<Result>,
): Promise<Result> {
  checkDependencies();
  const startedAt = performance.now();
  const child = await start();
  emit({ type: 'starting', attempt, pid: child.pid, ...(child.isAdopted && { adopted: true }) });
  try {
    return await use(child, startedAt);
  } finally {
    if (signal.aborted) emit({ type: 'stopping' });
    await child.stop({ ...stopDefaults, ...stop }, forcedShutdown);
  }
}

/** Emits `exited` and rejects after the exit of the process; rejects with the signal's reason if that aborted before. */
async function failOnExit(child: Process, signal: AbortSignal, emit: RunContext['emit']): Promise<never> {
  const { description } = await child.exited;
  if (signal.aborted) return rejectOnAbort(signal);
  const lastLines = child.lastLines(quotedLines);
  emit({ type: 'exited', reason: description, lastLines });
  const cause = causeLine(lastLines);
  throw new ProgramExited(cause === undefined ? description : `${description}: ${cause}`, lastLines);
}

/** Emits `unhealthy` and rejects when the liveness probe gives up; rejects with the signal's reason when that aborts. */
async function becameUnhealthy(
  service: Service,
  signal: AbortSignal,
  emit: RunContext['emit'],
): Promise<never> {
  if (service.live === undefined) return rejectOnAbort(signal);
  const reason = await watch(service.live, { ...service.liveTiming }, signal);
  emit({ type: 'unhealthy', reason });
  throw new Error(`unhealthy: ${reason}`);
}

/** How often a process is seen stopped in a row until it counts as hung. */
const stoppedThreshold = 4;

/**
 * Emits `unhealthy` and rejects when the process has been stopped for 6 to 9 s, as by SIGSTOP: nobody has to wait for its
 * answers. Rejects with the signal's reason when that aborts.
 */
async function becameStopped(
  { pid }: Process,
  signal: AbortSignal,
  emit: RunContext['emit'],
): Promise<never> {
  const reason = await watch(notStopped(pid), { failureThreshold: stoppedThreshold }, signal);
  emit({ type: 'unhealthy', reason });
  throw new Error(`unhealthy: ${reason}`);
}

interface ReasonReporter {
  (reason: string): void;
  /** The last reason reported. */
  last: string;
}

/** Emits a `probing` event when the reason changes. */
function reasonReporter(emit: (event: EventBody) => unknown, initial: string): ReasonReporter {
  const report = (reason: string): void => {
    if (reason !== report.last) emit({ type: 'probing', reason });
    report.last = reason;
  };
  report.last = initial;
  return report;
}

/** Rejects with the signal's reason when it aborts. Not `once` of node:events, which retains twice the memory. */
export async function rejectOnAbort(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
