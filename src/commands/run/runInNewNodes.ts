import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Argv } from '../../host/tool.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { launchEphemeral } from '../../launcher/ephemeral.ts';
import { followBoot } from '../../launcher/followBoot.ts';
import { LaunchedNodes, NodeEnded, titleOf } from '../../launcher/launchedNodes.ts';
import type { Member } from '../../launcher/launchedNodes.ts';
import { nodeCommand, shellQuote } from '../../lib/commandLine.ts';
import { exitCodes, reasonOf } from '../../lib/errors.ts';
import { nodePaths } from '../../lib/paths.ts';
import { signalExitCode } from '../../lib/signals.ts';
import type { Signals } from '../../lib/signals.ts';
import { formatMs } from '../../lib/text/text.ts';
import { failureFile, keepArtifacts } from '../../observe/records/artifacts.ts';
import type { UpOptions } from '../../supervisor/options.ts';
import { answers } from './answers.ts';
import { environmentOf } from './environment.ts';
import { outputOfGone, printOutput } from './output.ts';
import { runCommand } from './runCommand.ts';

/**
 * Runs the command with new nodes, which are gone then. Resolves with its exit code, or with that of a node when that is why the command
 * did not run to its end.
 */
export async function runInNewNodes(
  command: Argv,
  nodes: readonly UpOptions[],
  { keepOnFailure, signals }: { readonly keepOnFailure: boolean; readonly signals: Signals },
): Promise<number> {
  await using launched = new LaunchedNodes();
  return await new Run({ command, keepOnFailure, launched, nodes, signals }).exitCode();
}

interface RunContext {
  readonly command: Argv;
  readonly keepOnFailure: boolean;
  readonly launched: LaunchedNodes;
  /** The options of each node. */
  readonly nodes: readonly UpOptions[];
  readonly signals: Signals;
}

/** A command with its nodes: ready -> command -> gone. */
class Run {
  readonly #context: RunContext;
  readonly #ended = new Set<Member>();
  /** The node whose boot is shown. */
  #booting: Member | undefined;

  constructor(context: RunContext) {
    this.#context = context;
  }

  async exitCode(): Promise<number> {
    const { signals } = this.#context;
    try {
      return await this.#run();
    } catch (error) {
      // Before they are gone.
      await keepLogs(this.#alive()).catch((reason: unknown) => {
        console.error(`warning: the logs cannot be kept: ${reasonOf(reason)}`);
      });
      await this.#removeNodes();
      if (!(error instanceof NodeEnded)) throw error;
      const { member, code } = error;
      printOutput(await outputOf(member));
      if (signals.first !== undefined) return signalExitCode(signals.first);
      if (this.#booting !== member) console.error(`node ${member.name} ended before the command did`);
      return code || exitCodes.notReady;
    }
  }

  async #run(): Promise<number> {
    const { command, launched, nodes, signals, keepOnFailure } = this.#context;
    const [first, ...workers] = nodes;
    const control = await launchEphemeral(launched, first!, signals);
    await this.#ready(control);
    const launches = workers.map((options) => async () => launchEphemeral(launched, options, signals));
    // A signal from before is not seen by the nodes that are launched now.
    signals.interrupted.throwIfAborted();
    for (const worker of await launched.launchAll(launches)) await this.#ready(worker);
    const readyMs = performance.now();
    this.#booting = undefined;
    const { members } = launched;
    // Without its node file the node has ended since it was ready.
    const node = await readNodeFile(control.name).catch(() => undefined);
    if (node === undefined) throw new NodeEnded(control, await control.supervisor.exitCode);
    const ended = new AbortController();
    for (const member of members) {
      member.ignoreSignals();
      const end = (): void => ended.abort(member);
      member.supervisor.exitCode.then(end, end);
    }
    const env = environmentOf(node, control.spec.config.node);
    const code = await runCommand(command, { env, signals, signal: ended.signal });
    const commandMs = performance.now();
    const lost =
      members.find((member) => member === ended.signal.reason) ??
      (code === 0 ? undefined : await silentOf(members));
    if (lost !== undefined) throw new NodeEnded(lost, await lost.supervisor.exitCode);
    if (code !== 0) await keepLogs(members);
    if (code !== 0 && keepOnFailure) return this.#keepNodes(code);
    await this.#removeNodes();
    const goneMs = performance.now();
    const what = members.length === 1 ? `node ${control.name}` : `${members.length} nodes`;
    console.error(
      `${what}: ready after ${formatMs(readyMs)}, the command took ${formatMs(commandMs - readyMs)} ` +
        `(exit code ${code}), gone after ${formatMs(goneMs - commandMs)}: ${formatMs(goneMs)} in all`,
    );
    return code;
  }

  /** Shows the boot of a node. @throws NodeEnded if it, or another one, has ended */
  async #ready(member: Member): Promise<void> {
    const { launched, signals, nodes } = this.#context;
    const { supervisor, spec, name } = member;
    this.#booting = member;
    const end = (): void => void this.#ended.add(member);
    supervisor.exitCode.then(end, end);
    if (nodes.length > 1) console.error(titleOf(member));
    const failed = await launched.whileTheyLive(followBoot(supervisor, spec), member);
    if (failed !== undefined && signals.first === undefined) return;
    // A worker need not have heard of the signal.
    if (failed !== undefined) supervisor.stop();
    const code = await supervisor.exitCode;
    if (code === exitCodes.ok && signals.first === undefined)
      console.error(`node ${name} was taken down before it was ready`);
    throw new NodeEnded(member, code);
  }

  async #keepNodes(code: number): Promise<number> {
    const { members } = this.#context.launched;
    for (const { detach, name, spec } of members) {
      await detach();
      const { node } = spec.config;
      console.error(
        spec.joining === undefined
          ? `node ${name} is kept: ${nodeCommand('kubectl', node, '--', 'get', 'pods', '-A')}`
          : `node ${name} is kept`,
      );
    }
    for (const { name } of members.toReversed())
      console.error(`remove it with: ${nodeCommand('down', { name }, '--purge')}`);
    return code;
  }

  #alive(): Member[] {
    return this.#context.launched.members.filter((member) => !this.#ended.has(member));
  }

  async #removeNodes(): Promise<void> {
    const removals = this.#alive().map(async (member) => {
      // Not in order, which takes seconds: nothing of it is kept.
      await member.supervisor.kill();
      const output = await member.log();
      if (output.includes('left something behind')) console.error(output);
    });
    await Promise.all(removals);
  }
}

/** The first whose supervisor does not answer. */
async function silentOf(members: readonly Member[]): Promise<Member | undefined> {
  const answering = await Promise.all(members.map(async ({ name }) => answers(name)));
  return members.find((_member, index) => answering[index] === false);
}

/** Keeps the logs of nodes whose command has failed, if that was asked for. */
async function keepLogs(members: readonly Member[]): Promise<void> {
  for (const { spec, name } of members) {
    const { artifacts } = spec.options;
    const paths = nodePaths(name, spec.config.node.dataDir);
    // One that has ended by itself has kept them.
    if (artifacts === undefined || !existsSync(paths.logs)) continue;
    await keepArtifacts(paths, artifacts);
    console.error(`the logs are kept in ${artifacts}`);
  }
}

/** The output of a supervisor. Its paths are those of the node while it lived: name what is left of them. */
async function outputOf({ log, name, spec }: Member): Promise<string> {
  const output = await log();
  const { data, logs } = nodePaths(name, spec.config.node.dataDir);
  const { artifacts } = spec.options;
  if (artifacts === undefined) return outputOfGone(output, data);
  return [failureFile(data), logs]
    .reduce((text, path) => text.replaceAll(path, join(artifacts, basename(path))), output)
    .replaceAll(`--data-dir ${shellQuote(data)}`, `--data-dir ${shellQuote(artifacts)}`);
}
