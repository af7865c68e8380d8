import { resolve } from 'node:path';
import { assertRoot, inContainer } from '../host/preflight.ts';
import { reportDeadNodes } from '../instance/deadNodes.ts';
import { Launch } from '../launcher/launch.ts';
import { openSupervisorLog } from '../launcher/supervisorLog.ts';
import { readMembership } from '../kubernetes/join/membership.ts';
import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { nodeName, nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { allPorts } from '../supervisor/ports/open.ts';
import { bootSpecOf } from '../supervisor/bootSpec.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';

/**
 * `k8s-single up`: brings the node up and keeps it up. On a host it runs in a sandbox; in a container, with --host, or
 * without Kubernetes it runs in this process. Resolves with the exit code.
 */
export async function up(options: UpOptions): Promise<number> {
  assertRoot();
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
  const isSandboxed = options.host !== true && inContainer() === undefined;
  assertPlace(options, isSandboxed);
  const openLog = options.detach === true ? openSupervisorLog : undefined;

  // As soon as the name is known `down` finds a node that is only starting. Without a config file, the options say
  // all that the supervisor process needs to start: it loads while the config is resolved and binaries are looked for.
  const { name = options.config === undefined ? 'default' : '', dataDir, listen } = options;
  const ports = allPorts(options.publish);
  if (nodeName.test(name)) {
    if (isSandboxed && options.config === undefined) {
      const start = { name, dataDir: dataDir && resolve(dataDir), listen, ports, openLog };
      const { cluster } = membershipIn(options, start);
      await launch.start({ ...start, cluster });
    } else {
      await launch.locks.acquireNode(name, nodePaths(name).run, signals.interrupted);
    }
  }

  const config = await signals.interruptible(loadNodeConfig(options));
  const { node } = config;
  // Beside the start, which does not depend on it.
  void reportDeadNodes(node.name);
  follow?.(nodePaths(node.name, node.dataDir));

  if (!isSandboxed || node.kubernetes === false) {
    if (options.detach === true) throw cannotDetach();
    await launch.locks.acquireNode(node.name, nodePaths(node.name).run, signals.interrupted);
    if (node.kubernetes === false && node.ports.length > 0) throw noNode();
    const { workerSpecOf } = await import('../supervisor/worker.ts');
    const direct = await signals.interruptible(workerSpecOf(options, config));
    const { directHost } = await import('../supervisor/directHost.ts');
    const { runNode } = await import('../supervisor/runNode.ts');
    return await runNode(direct, await directHost(direct.config.node, launch.locks), signals);
  }
  const { cluster, control } = membershipIn(options, node);
  if (!launch.hasStarted) await launch.start({ ...node, openLog, cluster });
  const spec =
    control === undefined
      ? bootSpecOf(options, config)
      : await signals.interruptible(
          (await import('../supervisor/worker.ts')).localWorkerSpecOf(options, config, control),
        );
  const supervisor = await launch.run(spec);
  if (options.detach !== true) return await supervisor.exitCode;
  const { detachWhenReady } = await import('../launcher/followBoot.ts');
  return await detachWhenReady(supervisor, launch, spec);
}

/** @throws Failure `usage` for options that do not fit to where the node runs */
function assertPlace({ join, joinable }: UpOptions, isSandboxed: boolean): void {
  const isName = join !== undefined && nodeName.test(join);
  if (isSandboxed && join !== undefined && !isName) throw needsMachine();
  if (!isSandboxed && (isName || joinable === true))
    throw new Failure('usage', 'nodes join by name only in namespaces of their own, and this one has none', {
      hint: 'every node on a machine of its own can be joined: see "k8s-single token create" there',
    });
  if (joinable === true && join !== undefined)
    throw new Failure('usage', 'a node joins a cluster, or is joined: leave out --join or --joinable');
}

/**
 * The cluster on this machine in whose network a node in a sandbox is, and its control plane if the node is a worker.
 * @throws Failure `usage` for a worker of another machine, which needs the network of this one
 */
function membershipIn(
  { join, joinable }: UpOptions,
  { name, dataDir }: { readonly name: string; readonly dataDir?: string | undefined },
): { readonly cluster?: string; readonly control?: string } {
  const known = join === undefined ? readMembership(nodePaths(name, dataDir)) : undefined;
  if (known !== undefined && known.control === undefined) throw needsMachine();
  const control = join ?? known?.control;
  if (control !== undefined) return { cluster: control, control };
  return joinable === true ? { cluster: name } : {};
}

function needsMachine(): Failure {
  const message =
    'a worker of another machine has the network of its own, in which the nodes reach each other';
  return new Failure('usage', message, { hint: 'add --host' });
}

function noNode(): Failure {
  return new Failure('usage', 'a graph without Kubernetes has no node whose ports could be published', {
    hint: 'leave out --publish, and ports in the config',
  });
}

function cannotDetach(): Failure {
  const without = ['k8s-single', ...process.argv.slice(2).filter((word) => word !== '--detach')];
  const message = '--detach is for a node in a sandbox, and this one runs in this process';
  return new Failure('usage', message, {
    hint: `leave it out, and run it in the background: ${commandLine(without)} &`,
  });
}
