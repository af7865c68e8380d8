import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createNodeCgroup, joinProcessTree } from '../host/cgroup/nodeCgroup.ts';
import { assertCanIsolate } from '../host/preflight.ts';
import { chooseSnapshotter } from '../host/snapshotter.ts';
import type { Snapshotter } from '../host/snapshotter.ts';
import { loadBridgeFilter } from '../host/sysctls.ts';
import { undoMkdirAll } from '../host/undoMkdir.ts';
import { cleanUpLeftovers, forceCleanUp } from '../instance/cleanUp.ts';
import type { NodeDirs } from '../instance/cleanUp.ts';
import type { NodeLocks } from '../instance/nodeLocks.ts';
import { Failure } from '../lib/errors.ts';
import { signalExitCode } from '../lib/signals.ts';
import type { Signals } from '../lib/signals.ts';
import { BootSender } from './bootChannel.ts';
import { keepsSystemFolders, setUpMounts } from './mounts.ts';
import type { ClusterNetwork } from './clusterNetwork.ts';
import { connectToHost } from './network.ts';
import type { Addresses, SandboxNamespaces, SandboxSpec } from './sandboxSpec.ts';
import { spawnShim } from './shim.ts';
import type { SandboxProgram, Shim } from './shim.ts';

/** What has to be known of a sandbox when the process in it is started. */
export interface SandboxOptions extends NodeDirs, Omit<SandboxProgram, 'network'> {
  /** The cluster whose nodes on this machine it is to reach. */
  readonly cluster?: string | undefined;
  /** The hint of the Failure where no namespaces can be made: what to do without. */
  readonly alternative?: string | undefined;
}

/** A program that runs in its sandbox. */
export interface SandboxedProcess {
  /** Its exit code, 128 + n for signal n, once it and every trace of it are gone. */
  readonly exitCode: Promise<number>;
  /** Asks it to end, as by SIGTERM. */
  readonly stop: () => void;
  /** Lets go: this process may end and the program lives on. */
  readonly detach: () => Promise<void>;
}

/** What provisioning has made so far. */
interface Provisioning {
  readonly addresses: Promise<Addresses>;
  readonly snapshotter: Promise<Snapshotter>;
  /** Settles when nothing is at work any more. */
  readonly done: Promise<void>;
}

/**
 * A process in network, mount, UTS, PID and IPC namespaces of its own, with an init as PID 1:
 *
 *     start() --> waiting for its boot message --- run() --> running --> ended
 *                    |        ^                                 |
 *                    |        +-- provision()                   +-- detach(): lives on
 *                    +-- abort(): nothing is left
 *
 * The launcher makes mounts, network and cgroup from the host while the process inside loads.
 */
export class Sandbox {
  readonly #options: SandboxOptions;
  readonly #locks: NodeLocks;
  readonly #shim: Shim;
  readonly #network: ClusterNetwork | undefined;
  readonly #sender: BootSender;
  readonly #exitCode: Promise<number>;
  /** The process that holds the namespaces, once what an earlier node left is removed. */
  readonly #entered: Promise<number>;
  #provisioning: Promise<Provisioning> | undefined;
  #undoMkdir: (() => void) | undefined;
  #state: 'starting' | 'running' | 'aborted' = 'starting';

  /**
   * Starts the process, which inherits the locks and waits for its boot message.
   * @param signal ends the wait for another node that makes the network of the cluster
   * @throws Failure `preflight` when the shim cannot be started; the reason of `signal`
   */
  static async start(
    options: SandboxOptions,
    locks: NodeLocks,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Sandbox> {
    const { cluster, run } = options;
    if (cluster === undefined) return new Sandbox(options, locks, await spawnShim(options, locks));
    const { ClusterNetwork } = await import('./clusterNetwork.ts');
    const network = await ClusterNetwork.open(cluster, run, signal);
    try {
      const shim = await spawnShim({ ...options, network: network.descriptor }, locks);
      return new Sandbox(options, locks, shim, network);
    } catch (error) {
      network[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(options: SandboxOptions, locks: NodeLocks, shim: Shim, network?: ClusterNetwork) {
    this.#options = options;
    this.#network = network;
    this.#locks = locks;
    this.#shim = shim;
    this.#sender = new BootSender(shim.control);
    this.#exitCode = shim.exited.then(async (exit) => exitCodeOf(exit, options));
    this.#entered = Promise.all([this.#namespacesPid(), cleanUpLeftovers(options)]).then(([pid]) => pid);
    // Whoever awaits them hears of a failure.
    for (const pending of [this.#exitCode, this.#entered]) pending.catch(() => undefined);
  }

  /**
   * Begins to make the mounts, the network and the cgroup. Call it once; {@link run} hears of a failure.
   * @param path where the programs that do it are looked for, like PATH
   */
  provision(spec: SandboxSpec, path?: string): void {
    this.#provisioning = this.#provision(spec, path);
    this.#provisioning.catch(() => undefined);
  }

  /**
   * Sends the boot message as soon as the addresses are known, and passes `signals` on once the sandbox is provisioned.
   * @throws Failure `preflight` when the sandbox cannot be made; Interrupted when a signal arrives before it is
   */
  async run(spec: SandboxSpec, task: unknown, signals: Signals): Promise<SandboxedProcess> {
    await signals.interruptible(this.#boot(spec, task));
    this.#state = 'running';
    signals.handleWith((signal) => this.#sender.signal(signal));
    this.#locks.handOver();
    const stop = (): void => this.#sender.signal('SIGTERM');
    return { exitCode: this.#exitCode, stop, detach: async () => this.#detach() };
  }

  /** Ends a process that is not running yet, so that nothing is left of it. Does nothing after {@link run}. */
  async abort(): Promise<void> {
    if (this.#state !== 'starting') return;
    this.#state = 'aborted';
    this.#sender.close();
    const provisioned = this.#provisioning?.then(async ({ snapshotter, done }) =>
      Promise.allSettled([snapshotter, done]),
    );
    await Promise.allSettled([this.#exitCode, this.#entered, provisioned]);
    this.#network?.[Symbol.dispose]();
    this.#undoMkdir?.();
  }

  async #provision(spec: SandboxSpec, path: string | undefined): Promise<Provisioning> {
    const pid = await this.#entered;
    // A cgroup made now would outlive an aborted sandbox.
    if (this.#state === 'aborted') throw new Error('the sandbox was aborted');
    this.#undoMkdir = undoMkdirAll(Object.values(spec.binds ?? {}));
    // An ephemeral node has its data in the run folder, which is empty at this point.
    mkdirSync(spec.data, { recursive: true, mode: 0o700 });
    const namespaces = { pid, path };
    const snapshotter = chooseSnapshotter(join(spec.data, 'containerd'));
    // The mounts take longest.
    const mounts = snapshotter.then(async (chosen) =>
      setUpMounts(spec, namespaces, keepsSystemFolders(spec, chosen)),
    );
    const addresses = this.#connect(spec, namespaces);
    const cgroup = createNodeCgroup(spec.name).then(async () => joinProcessTree(spec.name, pid));
    const all = [mounts, addresses, cgroup, loadBridgeFilter(false)];
    const done = Promise.allSettled(all).then(async () => void (await Promise.all(all)));
    for (const pending of [addresses, snapshotter, done]) pending.catch(() => undefined);
    return { addresses, snapshotter, done };
  }

  async #connect(spec: SandboxSpec, namespaces: SandboxNamespaces): Promise<Addresses> {
    if (this.#network === undefined) return connectToHost(spec, namespaces);
    // From here on the shim alone keeps it open.
    using network = this.#network;
    return await network.connect(spec, namespaces, this.#shim.child.pid!);
  }

  async #boot(spec: SandboxSpec, task: unknown): Promise<void> {
    if (this.#provisioning === undefined) throw new Error('run() before provision()');
    const { addresses, snapshotter, done } = await this.#provisioning;
    this.#sender.boot({ spec, addresses: await addresses, snapshotter: await snapshotter, task });
    await done;
    this.#sender.provisioned();
  }

  async #detach(): Promise<void> {
    await this.#sender.detach();
    this.#shim.child.unref();
  }

  async #namespacesPid(): Promise<number> {
    const { namespacesPid } = this.#shim;
    const first = await Promise.race([namespacesPid, this.#exitCode.then((code) => ({ code }))]);
    if (typeof first === 'number') return first;
    // Without namespaces nobody inside could have given the reason.
    await assertCanIsolate(this.#options.alternative);
    throw new Failure(
      'preflight',
      `the process in the namespaces ended at once, with exit code ${first.code}`,
    );
  }
}

async function exitCodeOf(exit: number | NodeJS.Signals, dirs: NodeDirs): Promise<number> {
  if (typeof exit === 'number') return exit;
  // The shim itself was killed: do its clean-up.
  await forceCleanUp(dirs);
  return signalExitCode(exit);
}
