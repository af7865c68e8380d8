/**
 * A program: `node peer.js KIND`. Runs the node under another supervisor, in a sandbox like that of k8s-single, with the command
 * lines, config files and certificates of k8s-single's own graph. All of these exist before it starts the supervisor; it then
 * prints `{"startedAt": MS}`, in ms since the epoch. On SIGTERM it exits as `up` does, with nothing left.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cri } from '../probes/kinds/cri.ts';
import { until } from '../probes/until.ts';
import type { Component } from '../src/engine/component.ts';
import { inspectHost } from '../src/host/hostCapabilities.ts';
import { NodeLocks } from '../src/instance/nodeLocks.ts';
import { kubernetesNode } from '../src/kubernetes/node.ts';
import { sandboxSpecOf } from '../src/launcher/launch.ts';
import { Signals } from '../src/lib/signals.ts';
import { LauncherGone, receiveBoot } from '../src/sandbox/bootChannel.ts';
import { Sandbox } from '../src/sandbox/sandbox.ts';
import { isInSandbox } from '../src/sandbox/sandboxSpec.ts';
import { sandboxHost } from '../src/supervisor/nodeHost.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { resolveBinaries } from '../src/supervisor/resolveBinaries.ts';
import { debianRoot } from '../test/config/debianRoot.ts';
import { factsAt, options, paths } from './node.ts';
import { peerKinds, peerPackages, writePeer } from './peerFiles.ts';
import type { Program } from './peerFiles.ts';

const kind = peerKinds.find((each) => each === process.argv[2]) ?? 'script';
process.exitCode = isInSandbox() ? await runInside().catch(ignoreLauncherGone) : await launch();

/** Stopped before the sandbox was complete: not a failure. */
function ignoreLauncherGone(error: unknown): number {
  if (error instanceof LauncherGone) return 0;
  throw error;
}

/** The task of the process in the sandbox. */
interface Task {
  readonly debianRoot: string;
  readonly searchPath: string;
}

/** On the host: runs this program in a sandbox. Resolves with its exit code. */
async function launch(): Promise<number> {
  const { node } = await loadNodeConfig(options);
  const { root, env } = await debianRoot(peerPackages);
  // As the installation of the package would: otherwise each start in a new sandbox would compile the library.
  const library = join(root, 'usr/lib/python3/dist-packages/supervisor');
  await execa('/usr/bin/python3', ['-m', 'compileall', '-q', library], { env });
  const { searchPath } = await resolveBinaries(options, node);
  const task: Task = { debianRoot: root, searchPath };
  const spec = { ...sandboxSpecOf(node), argv: [process.execPath, ...process.argv.slice(1)] as const };
  using signals = new Signals();
  const locks = new NodeLocks();
  let sandbox: Sandbox | undefined;
  try {
    await locks.acquireNode(spec.name, spec.run);
    await locks.acquireData(spec.name, spec.data);
    sandbox = await Sandbox.start(spec, locks);
    sandbox.provision(spec);
    const { exitCode } = await sandbox.run(spec, task, signals);
    return await exitCode;
  } catch (error) {
    await sandbox?.abort();
    locks.release();
    throw error;
  }
}

/** In the sandbox: sets up the node, and runs it under the peer. Resolves with the exit code of the peer. */
async function runInside(): Promise<number> {
  const boot = await receiveBoot();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see launch()
  const { debianRoot: root, searchPath } = boot.task as Task;
  process.env['PATH'] = searchPath;
  const ended = new AbortController();
  let stop = (): void => ended.abort();
  process.on('SIGTERM', () => stop());
  boot.followLauncher();
  const { ip, prepared } = sandboxHost(boot);
  await prepared;
  overlayUsr(root);
  const facts = await factsAt(ip, await inspectHost(paths.containerd));
  const components = kubernetesNode(facts);
  await runTask(components, 'pki', ended.signal);
  const dir = join(paths.run, 'peer');
  for (const folder of [dir, paths.logs]) await mkdir(folder, { recursive: true });
  const [file, ...args] = await writePeer(kind, await programsOf(components), { dir, logs: paths.logs });

  const startedAt = Date.now();
  const child = spawn(file, args, { stdio: 'inherit', env: { ...process.env, ...facts.env } });
  stop = () => void child.kill('SIGTERM');
  const exited = once(child, 'exit').finally(() => ended.abort());
  process.stdout.write(`${JSON.stringify({ startedAt })}\n`);
  await until(cri(paths.containerdSocket), { timeoutMs: 60_000 }, ended.signal)
    .then(async () => runTask(components, 'pause-image', ended.signal))
    .catch((error: unknown) => console.error(error));
  const [code]: unknown[] = await exited;
  return typeof code === 'number' ? code : 1;
}

/** Fills the gaps of /usr with an unpacked Debian tree, so that its programs find their modules. */
function overlayUsr(tree: string): void {
  const layers = `lowerdir=/usr:${join(tree, 'usr')}`;
  execFileSync('mount', ['--no-mtab', '-t', 'overlay', '-o', layers, 'overlay', '/usr']);
}

/** The command lines of the node's services, as its graph runs them. Writes their config files. */
async function programsOf(components: readonly Component[]): Promise<Program[]> {
  const programs: Program[] = [];
  for (const component of components) {
    if (component.kind !== 'service') continue;
    const { name, command } = component;
    const { file, args } = typeof command === 'function' ? await command() : command;
    programs.push({ name, argv: [file, ...args] });
  }
  return programs;
}

async function runTask(components: readonly Component[], name: string, signal: AbortSignal): Promise<void> {
  const task = components.find((component) => component.name === name);
  if (task?.kind !== 'task' || typeof task.run !== 'function') throw new Error(`${name} is no built-in task`);
  await task.run(signal, () => undefined);
}
