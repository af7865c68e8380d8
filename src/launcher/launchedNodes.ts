import { setMaxListeners } from 'node:events';
import { Signals } from '../lib/signals.ts';
import type { UpOptions } from '../supervisor/options.ts';
import { followUntilReady } from './followBoot.ts';
import { Launch } from './launch.ts';
import { launchNode } from './launchNode.ts';
import type { LaunchedNode, LaunchSettings } from './launchNode.ts';

/** One of several nodes. */
export interface Member extends LaunchedNode {
  readonly name: string;
  /** What its supervisor wrote to its log. */
  readonly log: () => Promise<string>;
  /** Shows its boot; resolves with an exit code as {@link followUntilReady}. */
  readonly ready: (how: { readonly detach: boolean }) => Promise<number>;
  /** From now on, no signal of this process reaches the node. */
  readonly ignoreSignals: () => void;
  /** Lets it live on without this process. */
  readonly detach: () => Promise<void>;
}

/**
 * Several nodes that one process launches, each with the signals that this process gets. Disposed of, it takes back the starts that
 * came to nothing, and ends the nodes that were not detached.
 */
export class LaunchedNodes implements AsyncDisposable {
  readonly #launches: { readonly launch: Launch; readonly signals: Signals }[] = [];
  readonly #detached = new Set<Member>();
  readonly members: Member[] = [];

  /** Launches a node. @throws as {@link launchNode} */
  async launch(options: UpOptions, settings: Omit<LaunchSettings, 'signals'>): Promise<Member> {
    // Each node listens to three signals.
    setMaxListeners(0, process);
    const signals = new Signals();
    const launch = new Launch(signals);
    this.#launches.push({ launch, signals });
    const node = await launchNode(launch, options, { ...settings, signals }).catch(async (error: unknown) => {
      // At once: others that are launched may wait for what it has.
      await launch[Symbol.asyncDispose]();
      throw error;
    });
    const detach = async (): Promise<void> => {
      this.#detached.add(member);
      await node.supervisor.detach();
    };
    const member: Member = {
      ...node,
      name: node.spec.config.node.name,
      log: async () => launch.log(),
      ready: async (how) => followUntilReady({ ...node.supervisor, detach }, launch, node.spec, how),
      ignoreSignals: () => signals.handleWith(() => undefined),
      detach,
    };
    this.members.push(member);
    return member;
  }

  /**
   * Launches nodes at the same time. None is still starting when it settles.
   * @throws the reason of the first that cannot be launched
   */
  async launchAll(launches: readonly (() => Promise<Member>)[]): Promise<Member[]> {
    const results = await Promise.allSettled(launches.map(async (launch) => launch()));
    return results.map((result) => {
      if (result.status === 'rejected') throw result.reason;
      return result.value;
    });
  }

  /**
   * Settles as `work` does, unless one of the nodes other than `except` ends before.
   * @throws NodeEnded if one does
   */
  async whileTheyLive<T>(work: Promise<T>, except?: Member): Promise<T> {
    const ends = this.#attached
      .filter((member) => member !== except)
      .map(async (member): Promise<never> => {
        const code = await member.supervisor.exitCode.catch(() => 1);
        throw new NodeEnded(member, code);
      });
    return Promise.race([work, ...ends]);
  }

  get #attached(): Member[] {
    return this.members.filter((member) => !this.#detached.has(member));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#launches.map(async ({ launch }) => launch[Symbol.asyncDispose]()));
    const ends = this.#attached.map(async ({ supervisor }) => {
      supervisor.stop();
      await supervisor.exitCode;
    });
    await Promise.allSettled(ends);
    for (const { signals } of this.#launches) signals[Symbol.dispose]();
  }
}

/** A node has ended although nobody asked it to. */
export class NodeEnded extends Error {
  override readonly name = 'NodeEnded';
  readonly member: Member;
  /** Its exit code. */
  readonly code: number;

  constructor(member: Member, code: number) {
    super(`node ${member.name} has ended with exit code ${code}`);
    this.member = member;
    this.code = code;
  }
}

/** The line above the boot of one of several nodes. */
export function titleOf({ name, spec: { joining } }: Member): string {
  return joining?.control === undefined ? `node ${name}` : `node ${name}, a worker of ${joining.control}`;
}
