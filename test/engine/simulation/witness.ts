import type { Event, RestartPolicy } from '../../../src/engine/component.ts';
import { transitiveDependents } from '../../../src/engine/graph.ts';
import type { RunningGraph } from '../../../src/engine/startGraph.ts';
import { Failure, reasonOf } from '../../../src/lib/errors.ts';
import type { Group, Machine } from './machine.ts';
import type { Plan, Scenario } from './scenario.ts';
import type { VirtualClock } from './virtualClock.ts';

/** What a component's events say of it. `ended`: the run is over, and the next has not been announced. */
type State =
  | 'idle'
  | 'waiting'
  | 'starting'
  | 'ready'
  | 'ended'
  | 'backoff'
  | 'stopping'
  | 'stopped'
  | 'failed';

/** How late the engine may notice the end of a group, or call something, in ms: the longest pause of probes/until.ts. */
const latenessMs = 260;

/** How long the engine looks for a daemon after exit code 0, in ms, and how long SIGKILL may take (docs/architecture.md). */
const daemonMs = 510;
const killTimeoutMs = 30_300;

/** What is known of one component from its events and from the machine, and when it became true (ms). */
class Track {
  readonly plan: Plan;
  state: State = 'idle';
  isReady = false;
  isStarted = false;
  readySince = 0;
  startedSince = 0;
  /** When it was last no longer ready, or started. */
  notReadySince = -1;
  notStartedSince = -1;
  wasEverReady = false;
  runAt = 0;
  readyAt: number | undefined;
  /** The last event that ended a run. */
  endedAt = 0;
  exitReasons: string[] = [];
  /** The last order, or the start of the graph. */
  orderedAt = 0;
  desired: 'started' | 'stopped' = 'started';
  isSpawnAllowed = true;
  /** Restarts in a row, and failures that count, since the last good run. */
  backoffs = 0;
  failures: number[] = [];
  isSureOfFailures = true;
  notBefore = 0;
  hadBackoff = false;

  constructor(plan: Plan) {
    this.plan = plan;
  }
}

/** An order that was given, and when it has to be carried out at the latest (simulated ms). */
interface OpenOrder {
  readonly text: string;
  readonly by: number;
  readonly isRestart: boolean;
  readonly affected: readonly string[];
}

/** Follows one simulation, and says which promise of the engine does not hold. */
export class Witness {
  isDone = false;
  readonly #scenario: Scenario;
  readonly #clock: VirtualClock;
  readonly #machine: Machine;
  readonly #tracks: ReadonlyMap<string, Track>;
  /** What happened, as functions that write it down: nobody reads that of most simulations. */
  readonly #log: (() => string)[] = [];
  readonly #broken: string[] = [];
  readonly #openOrders = new Map<object, OpenOrder>();
  /** What the boot does not wait for, nor for what depends on it: failed for good, or stopped by an order. */
  readonly #wasGivenUp = new Set<string>();
  #doneReason: unknown;
  #readyIs: 'pending' | 'resolved' | 'rejected' = 'pending';
  #downAt: number | undefined;
  #hurriedAt: number | undefined;
  #stopAllAt: number | undefined;
  #isStuck = false;

  constructor(scenario: Scenario, clock: VirtualClock, machine: Machine) {
    this.#scenario = scenario;
    this.#clock = clock;
    this.#machine = machine;
    this.#tracks = new Map(scenario.plans.map((plan) => [plan.name, new Track(plan)]));
  }

  follow(graph: RunningGraph): void {
    const ended = (reason: unknown): void => {
      this.isDone = true;
      this.#doneReason = reason;
      this.#note('-', reason === undefined ? 'done' : `done: ${reasonOf(reason)}`);
    };
    graph.done.then(() => ended(undefined), ended);
    graph.ready.then(
      () => this.#booted(),
      () => void (this.#readyIs = 'rejected'),
    );
  }

  throwIfBroken(): void {
    for (const { text, by } of this.#openOrders.values())
      if (this.#clock.now > by) this.#break(`${text} has not ended`);
    if (this.#broken.length > 0)
      throw new Error([...this.#broken, ...this.#log.map((text) => text())].join('\n'));
  }

  // What the simulation reports.

  /** A program or a function is about to be started. */
  spawning(name: string): void {
    const track = this.#track(name);
    const { now } = this.#clock;
    this.#note(name, 'spawn');
    for (const { on, condition } of track.plan.needs) {
      const { isReady, isStarted, notReadySince, notStartedSince } = this.#track(on);
      const [isMet, since] = condition === 'ready' ? [isReady, notReadySince] : [isStarted, notStartedSince];
      // What is lost in this very moment may be noticed only after it.
      if (!isMet && since < now && !this.#isAgain(track))
        this.#break(`${name} starts, but ${on} is not ${condition}`);
    }
    if (this.#machine.running(name).length > 0) this.#break(`${name} starts while it still runs`);
    if (now < track.notBefore) this.#break(`${name} starts ${track.notBefore - now} ms too early`);
    if (this.isDone) this.#break(`${name} starts after the end`);
    if (track.state === 'failed' && !this.#isRestarting(name))
      this.#break(`${name} starts after a final failure`);
    if (track.desired === 'stopped') this.#break(`${name} starts, but was to be stopped`);
    if (track.plan.restart.when === 'never' && track.plan.kind === 'service') this.#assertFirst(track);
    this.#assertPrompt(track);
  }

  /** Whether an order to restart it is being carried out. */
  #isRestarting(name: string): boolean {
    return [...this.#openOrders.values()].some(
      ({ isRestart, affected }) => isRestart && affected.includes(name),
    );
  }

  /** A function of a task that has lost what it had achieved is called again, whatever its dependencies do. */
  #isAgain({ plan, wasEverReady, state }: Track): boolean {
    return plan.kind === 'function' && wasEverReady && state === 'ended';
  }

  signalling(group: Group, signal: NodeJS.Signals): void {
    this.#note(group.component, signal);
    if (this.#downAt === undefined || signal === 'SIGKILL') return;
    const track = this.#track(group.component);
    if (track.orderedAt >= this.#downAt) return;
    if (track.state !== 'stopping' || track.plan.needs.some(({ whenLost }) => whenLost !== 'keep')) return;
    for (const dependent of transitiveDependents(this.#scenario.plans, group.component))
      if (this.#machine.running(dependent).some(({ life }) => life.killMs < killTimeoutMs))
        this.#break(`${group.component} is stopped before ${dependent}, which needs it`);
  }

  /** An order was given. Returns what to call when it has been carried out. */
  ordered(
    what: 'start' | 'stop' | 'restart',
    name: string,
    dependents: readonly string[],
  ): (error?: unknown) => void {
    const { now } = this.#clock;
    const affected = [name, ...dependents].filter(
      (each) => what !== 'restart' || each === name || this.#track(each).desired === 'started',
    );
    this.#note(name, `order: ${what} ${affected.join(' ')}`);
    for (const each of affected) {
      const track = this.#track(each);
      track.orderedAt = now;
      if (this.#isStopping()) {
        track.desired = 'stopped';
        continue;
      }
      track.desired = what === 'stop' ? 'stopped' : 'started';
      track.isSpawnAllowed = true;
      if (what !== 'stop') startAnew(track, now);
      else if (track.state === 'idle' && now > 0) track.state = 'stopped';
    }
    if (what === 'stop') for (const each of affected) this.#wasGivenUp.add(each);
    if (what === 'start') return () => undefined;
    const key = {};
    const text = `order to ${what} ${name} at ${now}`;
    this.#openOrders.set(key, {
      text,
      by: now + this.#stopBound(affected),
      isRestart: what === 'restart',
      affected,
    });
    return (error) => {
      this.#openOrders.delete(key);
      // What has failed while its dependents were being stopped is started now.
      if (what === 'restart' && error === undefined)
        for (const each of affected) startAnew(this.#track(each), this.#clock.now);
      this.#note(name, `${text} ended${error === undefined ? '' : `: ${reasonOf(error)}`}`);
    };
  }

  down(): void {
    this.#downAt = this.#clock.now;
    this.#note('-', 'down');
  }

  hurried(): void {
    this.#hurriedAt = this.#clock.now;
    this.#note('-', 'down again');
  }

  /** An event of the engine. */
  seen(event: Event): void {
    const track = this.#track(event.component);
    const { now } = this.#clock;
    this.#log.push(() => {
      const { component, at: _at, type, ...rest } = event;
      return `${now} ${component} ${type} ${Object.keys(rest).length > 0 ? JSON.stringify(rest) : ''}`;
    });
    switch (event.type) {
      case 'probing':
        return;
      case 'waiting':
        this.#setState(track, 'waiting');
        return;
      case 'starting':
        this.#started(track);
        return;
      case 'ready':
        this.#ready(track);
        return;
      case 'unhealthy':
      case 'exited':
        if ('reason' in event) track.exitReasons.push(event.reason);
        track.endedAt = now;
        this.#setState(track, 'ended');
        return;
      case 'done':
        track.endedAt = now;
        if (track.plan.restart.when === 'always') this.#break(`${track.plan.name} is done, with \`always\``);
        return;
      case 'backoff':
        this.#backedOff(track, event);
        return;
      case 'stopping':
        this.#assertMayStop(track);
        // Because of an edge: that is no failure, and another run may follow even with `never`.
        track.isSpawnAllowed = true;
        this.#setState(track, 'stopping');
        return;
      case 'stopped':
        if (this.#machine.running(track.plan.name).length > 0)
          this.#break(`${track.plan.name} is stopped, but runs`);
        this.#setState(track, 'stopped');
        forget(track);
        return;
      case 'failed':
        this.#failed(track, event.reason, event.othersKept === true);
        return;
      default:
        event satisfies never;
    }
  }

  // The promises.

  #assertFirst(track: Track): void {
    if (!track.isSpawnAllowed) this.#break(`${track.plan.name} is restarted, with \`never\``);
  }

  /** A start follows at once when nothing is left to wait for. */
  #assertPrompt(track: Track): void {
    const { needs, commandMs, kind } = track.plan;
    const metAt = needs.map(({ on, condition }) =>
      condition === 'ready' ? this.#track(on).readySince : this.#track(on).startedSince,
    );
    const gone = this.#goneAt(track);
    const from = Math.max(track.notBefore, track.orderedAt, track.endedAt, gone, ...metAt);
    if (this.#isAgain(track)) return;
    const preparation = kind === 'function' ? 0 : (commandMs ?? 0) + 10;
    // Another failure to find the command may have come in between, without an event of its own before its back-off.
    const late = this.#clock.now - from - preparation;
    if (late > latenessMs + daemonMs) this.#break(`${track.plan.name} starts ${late} ms late`);
  }

  #goneAt({ plan }: Track): number {
    return this.#machine.last(plan.name)?.goneAt ?? 0;
  }

  #started(track: Track): void {
    const { now } = this.#clock;
    const { resetAfterMs } = track.plan.restart;
    if (!track.hadBackoff) {
      track.backoffs = 0;
      if (track.readyAt !== undefined) {
        const readyMs = track.endedAt - track.readyAt;
        if (readyMs >= Math.max(1000, resetAfterMs)) track.failures = [];
        if (Math.abs(readyMs - Math.max(1000, resetAfterMs)) <= 1) track.isSureOfFailures = false;
      }
    }
    track.hadBackoff = false;
    track.readyAt = undefined;
    track.runAt = now;
    this.#setState(track, 'starting');
    track.isStarted = true;
    track.startedSince = now;
    const { kind, restart } = track.plan;
    if (kind === 'service' && restart.when === 'never') track.isSpawnAllowed = false;
  }

  #ready(track: Track): void {
    const { now } = this.#clock;
    const { name, kind, restart } = track.plan;
    if (track.state !== 'starting' && !this.#isAgain(track))
      this.#break(`${name} is ready while ${track.state}`);
    if (kind === 'service' && restart.when === 'always' && this.#machine.last(name)?.leaderRuns !== true)
      this.#break(`${name} is ready, but does not run`);
    this.#setState(track, 'ready');
    track.isStarted = true;
    track.isReady = true;
    track.readySince = now;
    track.readyAt ??= now;
    track.wasEverReady = true;
  }

  #backedOff(track: Track, { ms, reason }: { ms: number; reason: string }): void {
    const { now } = this.#clock;
    const { name, restart } = track.plan;
    if (track.desired === 'stopped') this.#break(`${name} will be restarted, but was to be stopped`);
    if (restart.when === 'never') this.#break(`${name} will be restarted, with \`never\``);
    const least = leastPause(restart);
    const maxMs = Math.max(restart.maxDelayMs, least);
    // A dependency that was lost in a run without events has begun the series anew.
    if (isUnseen(reason) && ms < restart.delayMs * 1.1) track.backoffs = 0;
    const between = [0.9, 1.1].map((jitter) =>
      Math.min(maxMs, Math.max(restart.delayMs * jitter, least) * 2 ** track.backoffs),
    );
    if (ms < Math.floor(between[0]!) || ms > Math.ceil(between[1]!))
      this.#break(`${name}: back-off ${track.backoffs} of ${ms} ms is not within ${between.join(' to ')} ms`);
    this.#charge(track);
    if (track.failures.length > restart.maxFailures && track.isSureOfFailures)
      this.#break(`${name} will be restarted, with ${track.failures.length} failures in the window`);
    this.#assertCharged(track, reason);
    track.backoffs += 1;
    track.hadBackoff = true;
    track.notBefore = now + Math.trunc(ms);
    this.#setState(track, 'backoff');
  }

  #charge(track: Track): void {
    const { now } = this.#clock;
    const { windowMs } = track.plan.restart;
    if (track.failures.some((at) => Math.abs(now - at - windowMs) <= 1)) track.isSureOfFailures = false;
    track.failures = [...track.failures.filter((at) => now - at < windowMs), now];
  }

  /** A failure counts only if the run was not a good one, and no dependency was lost in it. */
  #assertCharged({ plan, readyAt, endedAt, runAt }: Track, reason: string): void {
    if (isUnseen(reason)) return;
    const { name, restart, needs } = plan;
    const goodMs = Math.max(1000, restart.resetAfterMs);
    if (readyAt !== undefined && endedAt - readyAt > goodMs)
      this.#break(`${name} was ready for ${endedAt - readyAt} ms, which is a good run`);
    for (const { on, condition } of needs) {
      const { notReadySince, notStartedSince } = this.#track(on);
      const lostAt = condition === 'ready' ? notReadySince : notStartedSince;
      if (lostAt > runAt && lostAt < this.#clock.now)
        this.#break(`${name} failed because of ${on}, and that counts`);
    }
  }

  #failed(track: Track, reason: string, othersKept: boolean): void {
    const { name, kind, restart } = track.plan;
    if (reason.startsWith('cannot be stopped')) {
      this.#assertStuck(name);
      this.#setState(track, 'stopped');
      forget(track);
      return;
    }
    if (track.desired === 'stopped') this.#break(`${name} has failed, but was to be stopped`);
    if (othersKept !== (restart.onFailure === 'keepOthers'))
      this.#break(`${name} failed with othersKept wrong`);
    const isRefused = /^(cannot start|.* seems to be running already|.* put itself into the background)/.test(
      reason,
    );
    const isHopeless = track.exitReasons.slice(-2).join() === 'exited with code 2,exited with code 2';
    if (!isRefused && !isHopeless && restart.when !== 'never') {
      this.#charge(track);
      if (track.failures.length <= restart.maxFailures && track.isSureOfFailures)
        this.#break(`${name} is given up after ${track.failures.length} failures`);
      this.#assertCharged(track, reason);
    }
    if (kind === 'service' && this.#machine.running(name).length > 0 && !reason.includes('still running'))
      this.#break(`${name} has failed, but runs`);
    this.#setState(track, 'failed');
    if (!othersKept) this.#stopAllAt ??= this.#clock.now;
  }

  /** Only what SIGKILL does not end may be left. */
  #assertStuck(name: string): void {
    const stuck = this.#machine.running(name).some(({ life }) => life.killMs >= killTimeoutMs);
    if (!stuck) this.#break(`${name} is said to be impossible to stop`);
    this.#isStuck = true;
  }

  /** A component is stopped only by an order, by the end of everything, or because of an edge that says so. */
  #assertMayStop({ plan, orderedAt, runAt }: Track): void {
    if (this.#isStopping()) return;
    if (orderedAt >= runAt && orderedAt > 0) return;
    if ([...this.#openOrders.values()].some(({ affected }) => affected.includes(plan.name))) return;
    if (plan.needs.some(({ whenLost }) => whenLost !== 'keep')) return;
    this.#break(`${plan.name} is stopped for no reason`);
  }

  /** Whether everything is being stopped, or has been. */
  #isStopping(): boolean {
    const isTimeout = this.#clock.now >= this.#scenario.bootTimeoutMs && this.#readyIs !== 'resolved';
    return this.isDone || isTimeout || this.#downAt !== undefined || this.#stopAllAt !== undefined;
  }

  #booted(): void {
    this.#readyIs = 'resolved';
    this.#note('-', 'ready');
    for (const { plan, wasEverReady } of this.#tracks.values())
      if (!wasEverReady && !this.#isBlocked(plan.name))
        this.#break(`the graph is ready without ${plan.name}`);
  }

  #isBlocked(name: string): boolean {
    return [...this.#wasGivenUp].some(
      (failed) => failed === name || transitiveDependents(this.#scenario.plans, failed).includes(name),
    );
  }

  /** Whether nothing will change: each component is ready, or has a reason not to be. */
  isQuiet(): boolean {
    if (this.isDone) return true;
    return (
      this.#openOrders.size === 0 &&
      [...this.#tracks.keys()].every((name) => this.#whyNotQuiet(name) === undefined)
    );
  }

  #whyNotQuiet(name: string): string | undefined {
    const { plan, state, desired } = this.#track(name);
    if (neverSettles(plan) || this.#needsUnsettled(plan)) return undefined;
    if (state === 'ready')
      return desired === 'started' ? undefined : `${name} is ready, but was to be stopped`;
    if (state === 'failed') return undefined;
    if (state === 'stopped')
      return desired === 'stopped' || plan.needs.some(({ whenLost }) => whenLost === 'stop')
        ? undefined
        : `${name} is stopped, but was to be started`;
    const unmet = plan.needs.filter(({ on, condition }) =>
      condition === 'ready' ? !this.#track(on).isReady : !this.#track(on).isStarted,
    );
    const isIdle = state === 'waiting' || state === 'ended' || state === 'idle' || state === 'stopping';
    if (isIdle && unmet.some(({ on }) => this.#whyNotQuiet(on) === undefined)) return undefined;
    return `${name} is ${state}, and ${unmet.length > 0 ? `waits for ${unmet.map(({ on }) => on).join(' ')}` : 'nothing is missing'}`;
  }

  #needsUnsettled({ needs }: Plan): boolean {
    return needs.some(({ on }) => {
      const { plan } = this.#track(on);
      return neverSettles(plan) || this.#needsUnsettled(plan);
    });
  }

  /** The simulation has waited long enough. */
  quiet(): void {
    if (this.isDone) return;
    for (const name of this.#tracks.keys()) {
      const reason = this.#whyNotQuiet(name);
      if (reason !== undefined) this.#break(`it is never quiet: ${reason}`);
    }
    for (const { text } of this.#openOrders.values()) this.#break(`${text} has not ended`);
    const isComplete = [...this.#tracks.values()].every(
      ({ plan, wasEverReady }) => wasEverReady || this.#isBlocked(plan.name),
    );
    if (isComplete && this.#readyIs === 'pending') this.#break('the graph does not say that it is ready');
    this.throwIfBroken();
  }

  /** When everything must have stopped, in simulated ms. */
  get stopBy(): number {
    return this.#clock.now + this.#stopBound([...this.#tracks.keys()]);
  }

  /** Each group may take its grace and a SIGKILL; after a second request, only the latter. */
  #stopBound(names: readonly string[]): number {
    return names
      .map((name) => this.#track(name).plan)
      .reduce((sum, { graceMs }) => {
        const grace = this.#hurriedAt === undefined ? graceMs : 0;
        return sum + 2 * grace + daemonMs + 2 * killTimeoutMs + 4 * latenessMs;
      }, latenessMs);
  }

  /** Everything has to be over. */
  finished(): void {
    if (!this.isDone) this.#break('the stop does not end');
    for (const { component, pid, life } of this.#machine.running())
      if (life.killMs < killTimeoutMs) this.#break(`${component} (pid ${pid}) is left`);
    if (this.#clock.pending > 0) this.#break(`${this.#clock.pending} timers are left`);
    for (const { text } of this.#openOrders.values()) this.#break(`${text} has not ended`);
    for (const { plan, state } of this.#tracks.values())
      if (state !== 'stopped' && state !== 'failed' && state !== 'idle')
        this.#break(`in the end, ${plan.name} is ${state}`);
    if ((this.#doneReason !== undefined) !== (this.#stopAllAt !== undefined) && !this.#isOtherReason())
      this.#break(`the end has the wrong reason: ${reasonOf(this.#doneReason)}`);
    if (this.#readyIs === 'pending') this.#break('`ready` is never settled');
    this.throwIfBroken();
  }

  #isOtherReason(): boolean {
    if (!(this.#doneReason instanceof Failure)) return false;
    const { message } = this.#doneReason;
    return message.startsWith('not ready within') || (this.#isStuck && message.includes('cannot be stopped'));
  }

  #setState(track: Track, state: State): void {
    const { now } = this.#clock;
    if (track.state === 'stopped' && state !== 'waiting' && state !== 'starting' && state !== 'failed')
      this.#note(track.plan.name, `from stopped to ${state}`);
    if (track.isReady && state !== 'ready') {
      track.isReady = false;
      track.notReadySince = now;
      track.endedAt = now;
    }
    const isTaskThatLost = track.plan.kind === 'function' && state === 'ended';
    if (track.isStarted && state !== 'ready' && state !== 'starting' && !isTaskThatLost) {
      track.isStarted = false;
      track.notStartedSince = now;
    }
    if (state === 'failed') this.#wasGivenUp.add(track.plan.name);
    track.state = state;
  }

  #track(name: string): Track {
    return this.#tracks.get(name)!;
  }

  #note(name: string, text: string): void {
    const { now } = this.#clock;
    this.#log.push(() => `${now} ${name} ${text}`);
  }

  #break(what: string): void {
    this.#broken.push(`at ${this.#clock.now} ms: ${what}`);
  }
}

/** Whether it may fail again and again, so that nothing can be said of its last state. */
function neverSettles({ isLooping, commandMs = 0, timeoutMs }: Plan): boolean {
  return isLooping || commandMs >= timeoutMs;
}

/** Follows a request to start it, which has no effect on what runs. */
function startAnew(track: Track, now: number): void {
  track.orderedAt = now;
  if (track.desired !== 'started' || (track.state !== 'failed' && track.state !== 'stopped')) return;
  forget(track);
  track.state = 'idle';
}

/** The next start is the first of a new series. */
function forget(track: Track): void {
  track.backoffs = 0;
  track.failures = [];
  track.isSureOfFailures = true;
  track.notBefore = 0;
  track.hadBackoff = false;
  track.readyAt = undefined;
  track.exitReasons = [];
  track.isSpawnAllowed = true;
}

/** Whether the run failed before its first event, so that none says when it began. */
function isUnseen(reason: string): boolean {
  return /^cannot start|its command is not known|still running/.test(reason);
}

/** A back-off is at least so long if the limit soon ends no loop (docs/config.md). */
function leastPause({ maxFailures, windowMs }: RestartPolicy): number {
  return maxFailures <= 5 && windowMs > maxFailures * 1000 ? 0 : 1000;
}
