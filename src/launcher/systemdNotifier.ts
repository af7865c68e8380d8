import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { http } from '../../probes/kinds/http.ts';
import { unix } from '../../probes/kinds/unix.ts';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { passes } from '../../probes/probeOnce.ts';
import { until } from '../../probes/until.ts';
import { client } from '../control/client.ts';
import { pathWithSbin } from '../host/tool.ts';
import { reasonOf } from '../lib/errors.ts';
import type { Paths } from '../lib/paths.ts';
import { Interrupted, stopSignals } from '../lib/signals.ts';
import { oneLine, truncate } from '../lib/text/text.ts';
import { readBootRecord } from '../observe/records/bootRecord.ts';
import { describeNode } from '../observe/state/describe.ts';
import { LiveState, summarize } from '../observe/state/state.ts';
import { tick } from '../observe/terminal/ticker.ts';
import { failedAtEnd } from './followBoot.ts';

type NodePaths = Pick<Paths, 'controlSocket' | 'data'>;

/** Work that says where its node is, as soon as it knows. */
type Work = (follow: (paths: NodePaths) => void) => Promise<number>;

/** How often the status is sent, in ms, if it has changed. Each message is a process. */
const statusEveryMs = 1000;

/** How often a unit without a watchdog shows that it is alive while it starts, in ms. */
const aliveEveryMs = 20_000;

/** How long a start may go on after each sign of life, in ms: TimeoutStartSec of the unit. */
export const startTimeoutMs = 90_000;

/** The maximum length of a status. systemd ignores a message above 4096 bytes (NOTIFY_BUFFER_MAX). */
const maxStatus = 500;

/**
 * Reports to systemd what this process, the main process of a unit with Type=notify, and its node do (sd_notify(3)). Node.js has
 * no datagrams for unix sockets; systemd-notify(1) sends them in the name of its parent, as NotifyAccess=main requires.
 */
export class SystemdNotifier {
  readonly #env: NodeJS.ProcessEnv;
  readonly #hasWatchdog: boolean;
  readonly #aliveEveryMs: number;
  #paths: NodePaths | undefined;
  #state: LiveState | undefined;
  #isReady = false;
  #isStopping = false;
  /** The last status sent. */
  #status = '';
  /** The last status before the node began to stop. */
  #lastUp = '';
  #lastAlive = performance.now();
  #isBusy = false;
  /** Whether a message could not be sent. */
  #hasFailed = false;
  /** Messages are sent one after the other. */
  #sent: Promise<void> = Promise.resolve();

  /**
   * The notifier of this process, `undefined` when nobody asked for it. Removes the variables of the protocol from the
   * environment: components do not speak for their node.
   */
  static fromEnvironment(): SystemdNotifier | undefined {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = process.env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
    if (!NOTIFY_SOCKET) return undefined;
    const isWatched =
      Number(WATCHDOG_USEC) > 0 && (WATCHDOG_PID ?? String(process.pid)) === String(process.pid);
    return new SystemdNotifier(NOTIFY_SOCKET, isWatched ? Number(WATCHDOG_USEC) / 1000 : undefined);
  }

  private constructor(socket: string, watchdogMs: number | undefined) {
    this.#env = { PATH: pathWithSbin(), NOTIFY_SOCKET: socket };
    this.#hasWatchdog = watchdogMs !== undefined;
    // Two may be late before the third counts.
    this.#aliveEveryMs = watchdogMs === undefined ? aliveEveryMs : watchdogMs / 3;
  }

  /** Does the work and reports on it. Settles as the work does. */
  async during(work: Work): Promise<number> {
    const ended = new AbortController();
    const onStop = (): void => this.#stopping();
    for (const signal of stopSignals) process.on(signal, onStop);
    const ticker = tick(() => void this.#tick(ended.signal), { periodMs: statusEveryMs });
    this.#send(this.#statusLine('preparing'));
    try {
      const code = await work((paths) => {
        this.#paths = paths;
        this.#follow(paths, ended.signal).catch(() => undefined);
      });
      if (code !== 0) this.#failed(`exit code ${code}: ${this.#lastUp || 'see the log'}`);
      return code;
    } catch (error) {
      if (!(error instanceof Interrupted)) this.#failed(reasonOf(error));
      throw error;
    } finally {
      for (const signal of stopSignals) process.off(signal, onStop);
      ticker[Symbol.dispose]();
      ended.abort();
      await this.#sent;
    }
  }

  /** Keeps the state up to date by the node's events, and reports when it is ready. */
  async #follow({ controlSocket, data }: NodePaths, signal: AbortSignal): Promise<void> {
    const followed: Probe = async (attempt) => {
      await unix(controlSocket)(attempt);
      const { stages } = await readBootRecord(data);
      const state = new LiveState(
        stages.map(({ name }) => name),
        Date.now(),
      );
      this.#state = state;
      for await (const event of client(controlSocket).events(attempt)) {
        state.add(event);
        const isComplete = state.isReady || failedAtEnd(stages, state.components) !== undefined;
        if (this.#isReady || !isComplete) continue;
        this.#isReady = true;
        this.#send('READY=1', this.#statusLine(this.#describe()));
      }
      throw new Unhealthy('the node closed the connection');
    };
    const forever = { timeoutMs: Number.POSITIVE_INFINITY, attemptTimeoutMs: Number.POSITIVE_INFINITY };
    await until(followed, forever, signal);
  }

  async #tick(signal: AbortSignal): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      const status = this.#describe();
      if (status !== this.#status) this.#send(this.#statusLine(status));
      if (performance.now() - this.#lastAlive >= this.#aliveEveryMs && (await this.#isAlive(signal))) {
        this.#lastAlive = performance.now();
        const longer = this.#isReady ? [] : [`EXTEND_TIMEOUT_USEC=${startTimeoutMs * 1000}`];
        this.#send(...longer, ...(this.#hasWatchdog ? ['WATCHDOG=1'] : []));
      }
      await this.#sent;
    } finally {
      this.#isBusy = false;
    }
  }

  /** Whether the supervisor answers. Before it serves its control API, and after that, this process alone counts. */
  async #isAlive(signal: AbortSignal): Promise<boolean> {
    if (this.#paths === undefined || !existsSync(this.#paths.controlSocket)) return true;
    const probe = http('http://node/healthz', { socketPath: this.#paths.controlSocket });
    return passes(probe, this.#aliveEveryMs, signal);
  }

  #describe(): string {
    if (this.#state === undefined) return this.#status;
    const { components } = this.#state;
    const status = describeNode(components, Date.now());
    const { phase } = summarize(components);
    if (phase !== 'stopping' && phase !== 'stopped') this.#lastUp = status;
    return status;
  }

  #stopping(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#send('STOPPING=1', this.#statusLine('stopping'));
  }

  /** It is the last status: systemctl shows it until the next start. */
  #failed(reason: string): void {
    this.#isStopping = true;
    this.#send('STOPPING=1', this.#statusLine(reason));
  }

  #statusLine(status: string): string {
    this.#status = status;
    return `STATUS=${truncate(oneLine(status), maxStatus)}`;
  }

  #send(...lines: readonly string[]): void {
    if (lines.length === 0) return;
    const options = { env: this.#env, cwd: '/', timeout: 10_000 };
    this.#sent = this.#sent.then(async () => {
      try {
        await promisify(execFile)('systemd-notify', ['--no-block', ...lines], options);
      } catch (error) {
        // Where the program is missing, as in a container, each message would fail.
        if (!this.#hasFailed)
          console.error(`k8s-single: systemd does not hear of the node: ${reasonOf(error)}`);
        this.#hasFailed = true;
      }
    });
  }
}
