import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import type { Config } from '../../config/config.ts';
import { assertRoot } from '../../host/preflight.ts';
import { undoMkdir } from '../../host/undoMkdir.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { followBoot } from '../../launcher/followBoot.ts';
import { Launch } from '../../launcher/launch.ts';
import type { Supervisor } from '../../launcher/launch.ts';
import { openAnonymousLog } from '../../launcher/supervisorLog.ts';
import { nodeAddresses } from '../../kubernetes/environment.ts';
import { nodeCommand, shellQuote } from '../../lib/commandLine.ts';
import { exitCodes, Failure } from '../../lib/errors.ts';
import { nodePaths } from '../../lib/paths.ts';
import type { Paths } from '../../lib/paths.ts';
import { proxyEnv } from '../../lib/proxyEnv.ts';
import { Interrupted, signalExitCode, Signals } from '../../lib/signals.ts';
import { formatMs } from '../../lib/text/text.ts';
import { failureFile, keepArtifacts } from '../../observe/records/artifacts.ts';
import { allPorts } from '../../supervisor/ports/open.ts';
import { bootSpecOf } from '../../supervisor/bootSpec.ts';
import type { BootSpec } from '../../supervisor/bootSpec.ts';
import { loadNodeConfig } from '../../supervisor/options.ts';
import type { UpOptions } from '../../supervisor/options.ts';
import { runCommand } from './runCommand.ts';

interface RunOptions extends Omit<UpOptions, 'output' | 'detach' | 'host' | 'dataDir' | 'ephemeral'> {
  readonly keepOnFailure?: boolean;
}

type Argv = readonly [string, ...string[]];

/**
 * `k8s-single run -- COMMAND`: a new node in memory, the command, the node gone. Resolves with the command's exit code, or
 * with the node's when that is why the command did not run to its end.
 */
export async function run(
  command: Argv,
  { keepOnFailure = false, artifacts, ...given }: RunOptions,
): Promise<number> {
  const name = given.name ?? `run-${randomBytes(3).toString('hex')}`;
  const options: UpOptions = {
    ...given,
    name,
    // In the run folder, which is removed with the node, however that ends.
    dataDir: join(nodePaths(name).run, 'data'),
    ephemeral: true,
    output: 'auto',
    ...(artifacts !== undefined && { artifacts: resolve(artifacts, name) }),
  };
  assertRoot();
  const removeArtifacts = options.artifacts === undefined ? undefined : undoMkdir(options.artifacts);
  using signals = new Signals();
  try {
    await using launch = new Launch(signals);
    const { supervisor, spec } = await launchEphemeral(launch, options, signals);
    return await new Run({ command, keepOnFailure, launch, supervisor, spec, signals }).exitCode();
  } catch (error) {
    if (error instanceof Interrupted) return signalExitCode(error.signal);
    throw error;
  } finally {
    // Unless something was kept there.
    removeArtifacts?.();
  }
}

/** Launches a node of which nothing is kept: what is large or often written is in memory. */
async function launchEphemeral(
  launch: Launch,
  options: UpOptions,
  signals: Signals,
): Promise<{ readonly supervisor: Supervisor; readonly spec: BootSpec }> {
  const { name = '', dataDir, artifacts } = options;
  const start = {
    name,
    dataDir,
    openLog: async () => openAnonymousLog(name),
    alternative: `use a node on the host itself: ${nodeCommand('up', { name: 'default' }, '--host')}`,
  };
  // Without a config file, all that the supervisor process needs to start is known: it loads meanwhile.
  const ports = allPorts(options.publish);
  if (options.config === undefined) await launch.start({ ...start, ports });
  const config = await signals.interruptible(loadNodeConfig(options));
  if (config.node.kubernetes === false) throw needsNode(config);
  const { node } = config;
  if (!launch.hasStarted)
    await launch.start({ ...start, listen: node.listen, ports: node.ports, kubelet: node.kubelet });
  if (artifacts !== undefined) await mkdir(artifacts, { recursive: true });
  // Nobody reads its stdout: the events come through the control socket.
  const spec = bootSpecOf({ ...options, output: 'json' }, config);
  const { etcd, containerd, kubelet } = nodePaths(name, dataDir);
  const supervisor = await launch.run(spec, {
    tmpfs: [etcd, containerd, kubelet],
    ...(artifacts !== undefined && { kept: [artifacts] }),
  });
  return { supervisor, spec: { ...spec, options } };
}

function needsNode({ node: { name }, file }: Config): Failure {
  return new Failure('usage', 'the config is of a graph without Kubernetes: run needs a node', {
    hint: nodeCommand('up', { name }, ...(file === undefined ? [] : ['--config', file])),
  });
}

interface RunContext {
  readonly command: Argv;
  readonly keepOnFailure: boolean;
  readonly launch: Launch;
  readonly supervisor: Supervisor;
  readonly spec: BootSpec;
  readonly signals: Signals;
}

/** A command with a node that is booting: ready -> command -> gone. */
class Run {
  readonly #context: RunContext;
  readonly #name: string;
  readonly #paths: Paths;
  readonly #artifacts: string | undefined;
  /** Aborts when the node has ended. */
  readonly #nodeEnded = new AbortController();

  constructor(context: RunContext) {
    const { supervisor, spec } = context;
    const { name, dataDir } = spec.config.node;
    this.#context = context;
    this.#name = name;
    this.#paths = nodePaths(name, dataDir);
    this.#artifacts = spec.options.artifacts;
    const end = (): void => this.#nodeEnded.abort();
    supervisor.exitCode.then(end, end);
  }

  async exitCode(): Promise<number> {
    const { supervisor, spec, signals, command } = this.#context;
    const failed = await followBoot(supervisor, spec);
    if (failed === undefined || signals.first !== undefined) return this.#notReady();
    const readyMs = performance.now();
    // Without its node file the node has ended since it was ready.
    const node = await readNodeFile(this.#name).catch(() => undefined);
    if (node === undefined) return this.#endedEarly();
    const env = this.#env(node.ip);
    const code = await runCommand(command, { env, signals, signal: this.#nodeEnded.signal });
    const commandMs = performance.now();
    if (this.#nodeEnded.signal.aborted) return this.#endedEarly();
    if (code !== 0 && this.#artifacts !== undefined) {
      await keepArtifacts(this.#paths, this.#artifacts);
      console.error(`the logs are kept in ${this.#artifacts}`);
    }
    if (code !== 0 && this.#context.keepOnFailure) return this.#keepNode(code);
    await this.#removeNode();
    const goneMs = performance.now();
    console.error(
      `node ${this.#name}: ready after ${formatMs(readyMs)}, the command took ${formatMs(commandMs - readyMs)} ` +
        `(exit code ${code}), gone after ${formatMs(goneMs - commandMs)}: ${formatMs(goneMs)} in all`,
    );
    return code;
  }

  /** The environment in which the command finds the node. */
  #env(ip: string): NodeJS.ProcessEnv {
    const { supervisor, spec } = this.#context;
    const { files } = supervisor.binaries;
    return {
      ...proxyEnv(process.env, nodeAddresses(spec.config.node, ip)),
      KUBECONFIG: this.#paths.kubeconfig,
      K8S_SINGLE_NAME: this.#name,
      PATH: [dirname(files.kubectl), process.env['PATH']].filter(Boolean).join(delimiter),
    };
  }

  async #notReady(): Promise<number> {
    const { supervisor, signals } = this.#context;
    const code = await supervisor.exitCode;
    console.error(await this.#supervisorOutput());
    if (signals.first !== undefined) return signalExitCode(signals.first);
    if (code === exitCodes.ok) console.error(`node ${this.#name} was taken down before it was ready`);
    return code || exitCodes.notReady;
  }

  async #endedEarly(): Promise<number> {
    const code = await this.#context.supervisor.exitCode;
    console.error(await this.#supervisorOutput());
    console.error(`node ${this.#name} ended before the command did`);
    return code || exitCodes.notReady;
  }

  async #keepNode(code: number): Promise<number> {
    await this.#context.supervisor.detach();
    const { node } = this.#context.spec.config;
    console.error(`node ${node.name} is kept: ${nodeCommand('kubectl', node, '--', 'get', 'pods', '-A')}`);
    console.error(`remove it with: ${nodeCommand('down', { name: node.name }, '--purge')}`);
    return code;
  }

  async #removeNode(): Promise<void> {
    // Not in order, which takes seconds: nothing of it is kept.
    await this.#context.supervisor.kill();
    const output = await this.#context.launch.log();
    if (output.includes('left something behind')) console.error(output);
  }

  /** The supervisor's output. Its paths are those of the node while it lived: name what is left of them. */
  async #supervisorOutput(): Promise<string> {
    const output = await this.#context.launch.log();
    const { data, logs } = this.#paths;
    const artifacts = this.#artifacts;
    if (artifacts !== undefined) {
      return [failureFile(data), logs]
        .reduce((text, path) => text.replaceAll(path, join(artifacts, basename(path))), output)
        .replaceAll(`--data-dir ${shellQuote(data)}`, `--data-dir ${shellQuote(artifacts)}`);
    }
    return output.includes(data)
      ? `${output}\nall of it has gone with the node: keep it with --artifacts DIR`
      : output;
  }
}
