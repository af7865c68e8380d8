import { until } from '../../../probes/until.ts';
import { watch } from '../../../probes/watch.ts';
import { startTimeoutMs, stopDefaults } from '../component.ts';
import type { Command, Happening, Program, Service, Task } from '../component.ts';
import { askCommand } from './resolveCommand.ts';
import type { Hurry } from './forcedShutdown.ts';
import { linked, over } from './linked.ts';
import { refuseIfTaken } from './preStartCheck.ts';
import { spawn } from './process.ts';
import type { Process } from './process.ts';

/** Lines of the log that are quoted when a process dies. */
const quotedLines = 20;

/** What one life of a component sees of the world around it. */
export interface Surroundings {
  readonly attempt: number;
  readonly logFile: string;
  readonly say: (happening: Happening) => void;
  /** Called once, when it is ready. */
  readonly onReady: () => void;
  /** Called as soon as it is ready no more, before its processes are ended. */
  readonly onEnd: () => void;
  /** Aborts when the component shall end, with the reason. */
  readonly signal: AbortSignal;
  /** When there is no time left for a grace. */
  readonly hurry: Hurry;
}

/** From start to end of a task: it is ready when its work is done and stays so. Rejects with the reason of its end. */
export async function liveTask(task: Task, around: Surroundings): Promise<never> {
  const { attempt, say, onReady, signal } = around;
  const { run } = task;
  const started = performance.now();
  const { own: end, unlink } = linked(signal);
  // Some work goes on for a while after it was told to end, and nobody listens any more.
  const report = reasons((happening) => end.signal.aborted || say(happening), 'no reason was given');
  const deadline = AbortSignal.timeout(task.timeoutMs ?? startTimeoutMs);
  deadline.addEventListener('abort', () => end.abort(deadline.reason));
  const work = async (): Promise<void> => {
    if (typeof run !== 'function') {
      report.last = 'its command is not known yet';
      const command = await askCommand(run, task.timeoutMs ?? startTimeoutMs, end.signal);
      report.last = 'its program is still running';
      return withProcess(run, command, around, async (process) => success(process, end.signal, say));
    }
    say({ type: 'starting', attempt });
    return Promise.race([run(end.signal, report), aborted(end.signal)]);
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
  say({ type: 'ready', ms: performance.now() - started });
  onReady();
  return aborted(signal);
}

/** From spawn to the end of its process group. Rejects with the reason of its end. */
export async function liveService(service: Service, around: Surroundings): Promise<never> {
  await refuseIfTaken(service, around.attempt, around.signal);
  const command = await askCommand(service, service.timeoutMs ?? startTimeoutMs, around.signal);
  return withProcess(service, command, around, async (running, started) =>
    livesOn(service, running, around, started),
  );
}

/** Starts the program for as long as `use` takes; then its whole group is ended. */
async function withProcess<Result>(
  { stop, logFile }: Program,
  command: Command,
  { signal, say, attempt, hurry, logFile: ownLog }: Surroundings,
  use: (running: Process, started: number) => Promise<Result>,
): Promise<Result> {
  const started = performance.now();
  const running = await spawn(command, { path: ownLog, elsewhere: logFile }, signal);
  say({ type: 'starting', attempt, pid: running.pid });
  try {
    return await use(running, started);
  } finally {
    if (signal.aborted) say({ type: 'stopping' });
    await running.stop({ ...stopDefaults, ...stop }, hurry);
  }
}

async function livesOn(
  service: Service,
  running: Process,
  around: Surroundings,
  started: number,
): Promise<never> {
  const { say, onReady } = around;
  const { own: end, unlink } = linked(around.signal);
  try {
    const exited = exit(running, end.signal, say);
    const timeoutMs = service.timeoutMs ?? startTimeoutMs;
    await Promise.race([
      exited,
      until(service.ready, { ...service.readyLook, timeoutMs, onMiss: reasons(say, '') }, end.signal),
    ]);
    // What a look has seen may be what the dead left behind, or what was told to stop meanwhile.
    end.signal.throwIfAborted();
    if (running.hasExited()) await exited;
    say({ type: 'ready', ms: performance.now() - started });
    onReady();
    return await Promise.race([exited, unhealthy(service, end.signal, say)]);
  } finally {
    around.onEnd();
    unlink();
    end.abort(over);
  }
}

/** Says each reason once as long as it stays the same, and remembers the last, at first the `initial` one. */
function reasons(
  say: (happening: Happening) => unknown,
  initial: string,
): { (reason: string): void; last: string } {
  const report = (reason: string): void => {
    if (reason !== report.last) say({ type: 'probing', reason });
    report.last = reason;
  };
  report.last = initial;
  return report;
}

/** Resolves when the process ended with exit code 0; rejects when otherwise, or when `end` aborts before. */
async function success(running: Process, end: AbortSignal, say: Surroundings['say']): Promise<void> {
  const { isSuccess } = await Promise.race([running.exited, aborted(end)]);
  if (!isSuccess) await exit(running, end, say);
}

/** Rejects when the process ended of its own accord, after saying so with its last lines. */
async function exit(running: Process, end: AbortSignal, say: Surroundings['say']): Promise<never> {
  const { how } = await running.exited;
  if (end.aborted) return aborted(end);
  const lastLines = running.lastLines(quotedLines);
  say({ type: 'exited', reason: how, lastLines });
  const last = lastLines.at(-1);
  throw new Error(last === undefined ? how : `${how}: ${last}`);
}

/** Rejects when it is unhealthy, or with the signal's reason when that aborts. */
async function unhealthy(service: Service, signal: AbortSignal, say: Surroundings['say']): Promise<never> {
  if (service.live === undefined) return aborted(signal);
  const reason = await watch(service.live, { ...service.liveLook }, signal);
  say({ type: 'unhealthy', reason });
  throw new Error(`unhealthy: ${reason}`);
}

/** Rejects with the signal's reason when it aborts. Not by `once` of node:events, which keeps twice as much for as long. */
async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
