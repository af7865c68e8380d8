import type { ClusterNode } from '../../config/clusterFile.ts';
import { client } from '../../control/client.ts';
import { inContainer } from '../../host/preflight.ts';
import { reportDeadNodes } from '../../instance/deadNodes.ts';
import { stateOf } from '../../instance/lifeState.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { LaunchedNodes, NodeEnded, titleOf } from '../../launcher/launchedNodes.ts';
import type { Member } from '../../launcher/launchedNodes.ts';
import { openSupervisorLog } from '../../launcher/supervisorLog.ts';
import { isTyped, nodeCommand } from '../../lib/commandLine.ts';
import { exitCodes, Failure } from '../../lib/errors.ts';
import { nodePaths } from '../../lib/paths.ts';
import { Interrupted, signalExitCode, Signals } from '../../lib/signals.ts';
import { formatMs } from '../../lib/text/text.ts';
import type { NodeStatus } from '../../observe/state/status.ts';
import { waitReady } from '../../observe/state/wait.ts';
import type { UpOptions } from '../../supervisor/options.ts';

/**
 * `k8s-single up --config FILE` with several nodes: control planes, then their workers. A node that is up already is left alone. Without
 * `--detach` all that were started here end with this process. Resolves with the exit code: 0 when every node became ready, and ended well.
 */
export async function upCluster(nodes: readonly ClusterNode[], options: UpOptions): Promise<number> {
  assertFits(options);
  using signals = new Signals();
  try {
    await using launched = new LaunchedNodes();
    const start = new ClusterStart(nodes, options, { launched, signals });
    const code = await start.run().catch(async (error: unknown) => {
      if (!(error instanceof NodeEnded)) throw error;
      // While its log is open.
      if (signals.first === undefined) console.error(`${await error.member.log()}\n${error.message}`);
      return error.code || exitCodes.notReady;
    });
    return code === exitCodes.ok || signals.first === undefined ? code : signalExitCode(signals.first);
  } catch (error) {
    if (error instanceof Interrupted) return signalExitCode(error.signal);
    throw error;
  }
}

/** Options that say something of one node. */
const optionsOfOne = [
  '--name',
  '--data-dir',
  '--listen',
  '--publish',
  '--host',
  '--joinable',
  '--join',
  '--token',
  '--forward-logs',
];

/** @throws Failure `usage` for an option of one node, `preflight` in a container */
function assertFits({ config, output }: UpOptions): void {
  // As typed: what the environment sets for every node is no mistake here.
  const flag = output === 'json' ? '--output json' : optionsOfOne.find(isTyped);
  if (flag !== undefined)
    throw new Failure('usage', `${flag} is for one node, and ${config} describes several`, {
      hint: 'leave it out; what a node needs can be in a config of its own: "config" in the file',
    });
  if (inContainer() !== undefined)
    throw new Failure('preflight', 'in a container there is one node: it has no namespaces of its own', {
      hint: 'start a container for each node, and join them: see "k8s-single token create"',
    });
}

/** How long a node may take that somebody else has just started, in ms. */
const othersMs = 300_000;

class ClusterStart {
  readonly #nodes: readonly ClusterNode[];
  readonly #options: UpOptions;
  readonly #launched: LaunchedNodes;
  readonly #interrupted: AbortSignal;

  constructor(
    nodes: readonly ClusterNode[],
    options: UpOptions,
    { launched, signals }: { readonly launched: LaunchedNodes; readonly signals: Signals },
  ) {
    this.#nodes = nodes;
    this.#options = options;
    this.#launched = launched;
    this.#interrupted = signals.interrupted;
  }

  async run(): Promise<number> {
    const startedAt = performance.now();
    await reportDeadNodes();
    for (const hasWorkers of [false, true]) {
      const group = this.#nodes.filter(({ join }) => (join !== undefined) === hasWorkers);
      const code = await this.#bringUp(group);
      if (code !== exitCodes.ok) return code;
    }
    const [first] = this.#nodes;
    const count = this.#nodes.length === 1 ? '1 node is' : `${this.#nodes.length} nodes are`;
    const took = formatMs(performance.now() - startedAt);
    console.error(`${count} ready after ${took}: ${nodeCommand('status', { name: first!.name })}`);
    if (this.#options.detach === true) return exitCodes.ok;
    const codes = await Promise.all(this.#launched.members.map(untilEnd));
    return Math.max(exitCodes.ok, ...codes);
  }

  /** Starts nodes at the same time, and shows them one after the other. Resolves with the exit code of the first that is not ready. */
  async #bringUp(group: readonly ClusterNode[]): Promise<number> {
    const missing: ClusterNode[] = [];
    for (const node of group) {
      if ((await stateOf(node.name)) === 'running') await this.#assertThere(node);
      else missing.push(node);
    }
    const launches = missing.map((node) => async () => this.#launch(node));
    // A signal from before is not seen by the nodes that are launched now.
    this.#interrupted.throwIfAborted();
    const members = await this.#launched.launchAll(launches);
    const detach = this.#options.detach === true;
    for (const member of members) {
      console.error(titleOf(member));
      const code = await this.#launched.whileTheyLive(member.ready({ detach }), member);
      if (code !== exitCodes.ok) return code;
    }
    return exitCodes.ok;
  }

  async #launch({ name, join, config }: ClusterNode): Promise<Member> {
    const { config: _config, token: _token, forwardLogs: _forwardLogs, ...common } = this.#options;
    const own: UpOptions = {
      ...common,
      name,
      ...(config !== undefined && { config }),
      ...(join !== undefined && { join }),
      ...(this.#isJoined(name) && { joinable: true }),
    };
    return this.#launched.launch(own, { openLog: openSupervisorLog });
  }

  /** As in the file. */
  #roleOf({ name, join }: ClusterNode): string {
    if (join !== undefined) return `a worker of ${join}`;
    return this.#isJoined(name) ? 'a control plane that others can join' : 'a control plane';
  }

  #isJoined(name: string): boolean {
    return this.#nodes.some(({ join }) => join === name);
  }

  /** Waits until a node is ready that is up already. @throws Failure if it cannot be that of the file, or does not become ready */
  async #assertThere({ name, join }: ClusterNode): Promise<void> {
    const { cluster, worker } = await readNodeFile(name);
    const isWorker = worker !== undefined;
    const isOther = isWorker !== (join !== undefined) || (isWorker && cluster !== join);
    if (isOther || (this.#isJoined(name) && cluster !== name))
      throw new Failure('usage', `node ${name} is up, but not ${this.#roleOf({ name, join })}`, {
        hint: `take it down first: ${nodeCommand('down', { name })}`,
      });
    console.error(`node ${name} is up already`);
    const status = client<NodeStatus>(nodePaths(name).controlSocket);
    await waitReady(
      async (signal) => status.status(signal),
      { name, timeoutMs: othersMs, onAttemptFailed: (reason) => console.error(`node ${name}: ${reason}`) },
      this.#interrupted,
    );
  }
}

/** Resolves with the exit code of a node that was ready, and says why if that is a failure. */
async function untilEnd({ name, supervisor, log }: Member): Promise<number> {
  const code = await supervisor.exitCode;
  console.error(code === exitCodes.ok ? `node ${name} is down` : `${await log()}\nnode ${name} has failed`);
  return code;
}
