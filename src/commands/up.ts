import { resolve } from 'node:path';
import { serverForm, serverHost } from '../config/schema/addresses.ts';
import { loadClusterFile } from '../config/clusterFile.ts';
import type { Config } from '../config/config.ts';
import { inContainer } from '../host/preflight.ts';
import { assertRoot } from '../host/root.ts';
import { reportDeadNodes } from '../instance/deadNodes.ts';
import { Launch } from '../launcher/launch.ts';
import { launchNode, needsMachine } from '../launcher/launchNode.ts';
import { openSupervisorLog } from '../launcher/supervisorLog.ts';
import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { nodeName, nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';

/**
 * `k8s-single up`: brings the node up and keeps it up. On a host it runs in a sandbox; in a container, with --host, or
 * without Kubernetes it runs in this process. Resolves with the exit code.
 */
export async function up(options: UpOptions & { readonly fromPool?: boolean }): Promise<number> {
  assertRoot();
  if (options.fromPool === true) {
    const { upFromPool } = await import('./upFromPool.ts');
    return upFromPool(options);
  }
  const cluster = await loadClusterFile(options.config);
  if (cluster !== undefined) {
    const { upCluster } = await import('./cluster/up.ts');
    return upCluster(cluster, options);
  }
  if (process.env['NOTIFY_SOCKET'] === undefined || options.detach === true) return bringUp(options);
  const { SystemdNotifier } = await import('../launcher/systemdNotifier.ts');
  const notifier = SystemdNotifier.fromEnvironment();
  if (notifier === undefined) return bringUp(options);
  return notifier.during(async (follow) => bringUp(options, follow));
}

/** @param follow called with the paths of the node as soon as they are known */
async function bringUp(options: UpOptions, follow?: (paths: Paths) => void): Promise<number> {
  using signals = new Signals();
  await using launch = new Launch(signals);
  const isSandboxed = runsInSandbox(options);
  assertPlace(options, isSandboxed);

  // As soon as the name is known `down` finds a node that is only starting.
  const { name = options.config === undefined ? 'default' : '', dataDir } = options;
  let reported: Promise<void> | undefined;
  const known = (node: { readonly name: string; readonly dataDir?: string | undefined }): void => {
    // Beside the start, which does not depend on it.
    reported = reportDeadNodes(node.name);
    follow?.(nodePaths(node.name, node.dataDir));
  };
  let config: Config | undefined;
  let onStarted: (() => void) | undefined;
  if (isSandboxed && options.config === undefined && nodeName.test(name)) {
    onStarted = (): void => known({ name, dataDir: dataDir && resolve(dataDir) });
  } else {
    if (nodeName.test(name)) await launch.locks.acquireNode(name, nodePaths(name).run, signals.interrupted);
    config = await signals.interruptible(loadNodeConfig(options));
    known(config.node);
    if (!isSandboxed || config.node.kubernetes === false)
      return await runDirectly(options, config, launch, signals);
  }

  const openLog = options.detach === true ? openSupervisorLog : undefined;
  const { supervisor, spec } = await launchNode(launch, options, {
    signals,
    openLog,
    config,
    ...(onStarted !== undefined && { onStarted }),
  });
  if (options.detach !== true) return await supervisor.exitCode;
  const { followUntilReady } = await import('../launcher/followBoot.ts');
  const code = await followUntilReady(supervisor, launch, spec, { detach: true });
  await reported;
  return code;
}

/** Whether a node with these options gets namespaces of its own. */
export function runsInSandbox({ host }: Pick<UpOptions, 'host'>): boolean {
  return host !== true && inContainer() === undefined;
}

/** Runs the node, or a graph of plain programs, in this process. */
async function runDirectly(
  options: UpOptions,
  config: Config,
  launch: Launch,
  signals: Signals,
): Promise<number> {
  const { node } = config;
  if (options.detach === true) throw cannotDetach();
  if (node.kubernetes === false && node.ports.length > 0) throw noNode();
  if (node.kubernetes === false && (options.join ?? options.joinable) !== undefined) throw noCluster();
  const { workerSpecOf } = await import('../supervisor/worker.ts');
  const { directHost } = await import('../supervisor/directHost.ts');
  const { runNode } = await import('../supervisor/runNode.ts');
  for (let startedAt = performance.timeOrigin; ; startedAt = Date.now()) {
    await launch.locks.acquireNode(node.name, nodePaths(node.name).run, signals.interrupted);
    const spec = await signals.interruptible(workerSpecOf(options, config));
    const host = await directHost(spec, launch.locks);
    let isAgain = false;
    const restart = (): void => void (isAgain = true);
    const code = await runNode({ ...spec, startedAt }, { ...host, restart }, signals);
    // One who has asked for its end meanwhile gets that.
    if (!isAgain || signals.first !== undefined) return code;
    signals.withoutHandler();
  }
}

/**
 * @param isSandboxed whether the node runs in namespaces of its own
 * @throws Failure `usage` for options that do not fit to where the node runs
 */
export function assertPlace({ join, joinable, name = 'default' }: UpOptions, isSandboxed: boolean): void {
  const isName = join !== undefined && nodeName.test(join);
  if (join !== undefined && !isName && serverHost(join) === undefined)
    throw new Failure(
      'usage',
      `--join ${join}: expected the name of a node of this machine, or ${serverForm}`,
    );
  if (isSandboxed && join !== undefined && !isName) throw needsMachine();
  if (!isSandboxed && (isName || joinable === true))
    throw new Failure('usage', 'nodes join by name only in namespaces of their own, and this one has none', {
      hint: 'every node on a machine of its own can be joined: see "k8s-single token create" there',
    });
  if (joinable === true && join !== undefined)
    throw new Failure('usage', 'a node joins a cluster, or is joined: leave out --join or --joinable');
  if (isName && join === name) throw new Failure('usage', `node ${name} cannot join itself`);
}

function noNode(): Failure {
  return new Failure('usage', 'a graph without Kubernetes has no node whose ports could be published', {
    hint: 'leave out --publish, and ports in the config',
  });
}

function noCluster(): Failure {
  return new Failure('usage', 'a graph without Kubernetes is in no cluster: leave out --join and --joinable');
}

function cannotDetach(): Failure {
  const without = ['k8s-single', ...process.argv.slice(2).filter((word) => word !== '--detach')];
  const message = '--detach is for a node in a sandbox, and this one runs in this process';
  return new Failure('usage', message, {
    hint: `leave it out, and run it in the background: ${commandLine(without)} &`,
  });
}
