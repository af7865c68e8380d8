/**
 * A program: `node peer.js KIND`. Runs the node under another supervisor, in a sandbox as k8s-single makes it, with the command
 * lines, config files and certificates of k8s-single's own graph, all of which are there before it starts. Prints
 * `{"startedAt": MS}`, in ms since the epoch, when it starts the peer; ends as `up` does, with nothing left.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { cri } from '../probes/kinds/cri.ts';
import { until } from '../probes/until.ts';
import { sandboxSpecOf } from '../src/launcher/launch.ts';
import { sandboxHost } from '../src/supervisor/nodeHost.ts';
import { startInSandbox } from '../test/support/startInSandbox.ts';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { resolveBinaries } from '../src/supervisor/resolveBinaries.ts';
import type { Component } from '../src/engine/component.ts';
import { isInSandbox } from '../src/sandbox/sandboxSpec.ts';
import { LauncherGone, receiveBoot } from '../src/sandbox/bootChannel.ts';
import { inspectHost } from '../src/host/hostCapabilities.ts';
import { kubernetesNode } from '../src/kubernetes/node.ts';
import { Signals } from '../src/lib/signals.ts';
import { debianRoot } from '../test/config/debianRoot.ts';
import { overlayUsr } from '../test/support/overlayUsr.ts';
import { peerKinds, peerPackages, writePeer } from './peerFiles.ts';
import type { Program } from './peerFiles.ts';
import { factsAt, options, paths } from './place.ts';

const kind = peerKinds.find((each) => each === process.argv[2]) ?? 'script';
process.exitCode = isInSandbox() ? await inside().catch(launcherGone) : await outside();

/** It was stopped before its sandbox was made: nothing is wrong. */
function launcherGone(error: unknown): number {
  if (error instanceof LauncherGone) return 0;
  throw error;
}

/** What the process in the sandbox is to know. */
interface Task {
  readonly debianRoot: string;
  readonly searchPath: string;
}

async function outside(): Promise<number> {
  const config = await loadNodeConfig(options);
  const { root, env } = await debianRoot(peerPackages);
  // As installing the package would: else every start of it in a fresh box would compile it again.
  const library = join(root, 'usr/lib/python3/dist-packages/supervisor');
  await execa('/usr/bin/python3', ['-m', 'compileall', '-q', library], { env });
  const { searchPath } = await resolveBinaries(options, config.node);
  using signals = new Signals();
  const argv = [process.execPath, ...process.argv.slice(1)] as const;
  const task: Task = { debianRoot: root, searchPath };
  const { exitCode } = await startInSandbox({ ...sandboxSpecOf(config.node), argv }, task, signals);
  return await exitCode;
}

async function inside(): Promise<number> {
  const boot = await receiveBoot();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see outside()
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

/** The command lines of the node's services, as its own graph starts them; their config files are written. */
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
