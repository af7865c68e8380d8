import { until } from '../../../probes/until.ts';
import { watch } from '../../../probes/watch.ts';
import { startTimeoutMs, stopDefaults } from '../component.ts';
import type { Command, EventBody, Program, Service, Task } from '../component.ts';
import { resolveCommand } from './resolveCommand.ts';
import type { ForcedShutdown } from './forcedShutdown.ts';
import { linkedController, finished } from './linked.ts';
import { preStartCheck } from './preStartCheck.ts';
import { spawn } from './process.ts';
import type { Process } from './process.ts';

/** Lines of the log that are quoted when a process dies. */
const quotedLines = 20;

/** What one life of a component sees of the world around it. */
export interface RunContext {
  readonly attempt: number;
  readonly logFile: string;
  readonly emit: (happening: EventBody) => void;
  /** Called once, when it is ready. */
  readonly onReady: () => void;
  /** Called as soon as it is ready no more, before its processes are ended. */
  readonly onEnd: () => void;
  /** Aborts when the component shall end, with the reason. */
  readonly signal: AbortSignal;
  /** When there is no time left for a grace. */
  readonly forcedShutdown: ForcedShutdown;
}

/** From start to end of a task: it is ready when its work is done and stays so. Rejects with the reason of its end. */
export async function runTask(task: Task, context: RunContext): Promise<never> {
  const { attempt, emit, onReady, signal } = context;
  const { run } = task;
  const started = performance.now();
  const { own: end, unlink } = linkedController(signal);
  // Some work goes on for a while after it was told to end, and nobody listens any more.
  const report = reasonReporter((happening) => end.signal.aborted || emit(happening), 'no reason was given');
  const deadline = AbortSignal.timeout(task.timeoutMs ?? startTimeoutMs);
  deadline.addEventListener('abort', () => end.abort(deadline.reason));
  const work = async (): Promise<void> => {
    if (typeof run !== 'function') {
      report.last = 'its command is not known yet';
      const command = await resolveCommand(run, task.timeoutMs ?? startTimeoutMs, end.signal);
      report.last = 'its program is still running';
      return withProcess(run, command, context, async (process) => exitedWithZero(process, end.signal, emit));
    }
    emit({ type: 'starting', attempt });
    return Promise.race([run(end.signal, report), rejectOnAbort(end.signal)]);
  };
  try {
    await work();
    // Some work just ends when it is told to.
    end.signal.throwIfAborted();
  } catch (error) {
    if (!deadline.aborted || signal.aborted) throw error;
    const seconds = (performance.now() - started) / 1000;
    throw new Error(`not done within ${seconds.toFixed(0)} s: ${report.last}`, { cause: error });
  } finally {
    unlink();
  }
  emit({ type: 'ready', ms: performance.now() - started });
  onReady();
  return rejectOnAbort(signal);
}

/** From spawn to the end of its process group. Rejects with the reason of its end. */
export async function runService(service: Service, context: RunContext): Promise<never> {
  await preStartCheck(service, context.attempt, context.signal);
  const command = await resolveCommand(service, service.timeoutMs ?? startTimeoutMs, context.signal);
  return withProcess(service, command, context, async (running, started) =>
    superviseProcess(service, running, context, started),
  );
}

/** Starts the program for as long as `use` takes; then its whole group is ended. */
async function withProcess<Result>(
  { stop, logFile }: Program,
  command: Command,
  { signal, emit, attempt, forcedShutdown, logFile: ownLog }: RunContext,
  use: (running: Process, started: number) => Promise<Result>,
): Promise<Result> {
  const started = performance.now();
  const running = await spawn(command, { path: ownLog, elsewhere: logFile }, signal);
  emit({ type: 'starting', attempt, pid: running.pid });
  try {
    return await use(running, started);
  } finally {
    if (signal.aborted) emit({ type: 'stopping' });
    await running.stop({ ...stopDefaults, ...stop }, forcedShutdown);
  }
}

async function superviseProcess(
  service: Service,
  running: Process,
  context: RunContext,
  started: number,
): Promise<never> {
  const { emit, onReady } = context;
  const { own: end, unlink } = linkedController(context.signal);
  try {
    const exited = exitedByItself(running, end.signal, emit);
    const timeoutMs = service.timeoutMs ?? startTimeoutMs;
    await Promise.race([
      exited,
      until(
        service.ready,
        { ...service.readyTiming, timeoutMs, onAttemptFailed: reasonReporter(emit, '') },
        end.signal,
      ),
    ]);
    // What a look has seen may be what the dead left behind, or what was told to stop meanwhile.
    end.signal.throwIfAborted();
    if (running.hasExited()) await exited;
    emit({ type: 'ready', ms: performance.now() - started });
    onReady();
    return await Promise.race([exited, becameUnhealthy(service, end.signal, emit)]);
  } finally {
    context.onEnd();
    unlink();
    end.abort(finished);
  }
}

/** Says each reason once as long as it stays the same, and remembers the last, at first the `initial` one. */
function reasonReporter(
  emit: (happening: EventBody) => unknown,
  initial: string,
): { (reason: string): void; last: string } {
  const report = (reason: string): void => {
    if (reason !== report.last) emit({ type: 'probing', reason });
    report.last = reason;
  };
  report.last = initial;
  return report;
}

/** Resolves when the process ended with exit code 0; rejects when otherwise, or when `end` aborts before. */
async function exitedWithZero(running: Process, end: AbortSignal, emit: RunContext['emit']): Promise<void> {
  const { isSuccess } = await Promise.race([running.exited, rejectOnAbort(end)]);
  if (!isSuccess) await exitedByItself(running, end, emit);
}

/** Rejects when the process ended of its own accord, after saying so with its last lines. */
async function exitedByItself(running: Process, end: AbortSignal, emit: RunContext['emit']): Promise<never> {
  const { description } = await running.exited;
  if (end.aborted) return rejectOnAbort(end);
  const lastLines = running.lastLines(quotedLines);
  emit({ type: 'exited', reason: description, lastLines });
  const last = lastLines.at(-1);
  throw new Error(last === undefined ? description : `${description}: ${last}`);
}

/** Rejects when it is unhealthy, or with the signal's reason when that aborts. */
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

/** Rejects with the signal's reason when it aborts. Not by `once` of node:events, which keeps twice as much for as long. */
async function rejectOnAbort(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
