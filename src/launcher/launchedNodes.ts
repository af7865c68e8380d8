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
}

/** The line above the boot of one of several nodes. */
export function titleOf({ name, spec: { joining } }: Member): string {
  return joining?.control === undefined ? `node ${name}` : `node ${name}, a worker of ${joining.control}`;
}

/**
 * Several nodes that one process launches, each with the signals that this process gets. Disposed of, it takes back the starts that
 * came to nothing, and leaves the nodes that run alone: unless they were detached, they end with this process.
 */
export class LaunchedNodes implements AsyncDisposable {
  readonly #launches: { readonly launch: Launch; readonly signals: Signals }[] = [];
  readonly members: Member[] = [];

  /** Launches a node. @throws as {@link launchNode} */
  async launch(options: UpOptions, settings: Omit<LaunchSettings, 'signals'>): Promise<Member> {
    const signals = new Signals();
    const launch = new Launch(signals);
    this.#launches.push({ launch, signals });
    const node = await launchNode(launch, options, { ...settings, signals });
    const member: Member = {
      ...node,
      name: node.spec.config.node.name,
      log: async () => launch.log(),
      ready: async (how) => followUntilReady(node.supervisor, launch, node.spec, how),
      ignoreSignals: () => signals.handleWith(() => undefined),
    };
    this.members.push(member);
    return member;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { launch, signals } of this.#launches) {
      await launch[Symbol.asyncDispose]();
      signals[Symbol.dispose]();
    }
  }
}
