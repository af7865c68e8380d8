import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { assertRoot, inContainer } from '../host/preflight.ts';
import { reportDeadNodes } from '../instance/deadNodes.ts';
import { Launch } from '../launcher/launch.ts';
import { openSupervisorLog } from '../launcher/supervisorLog.ts';
import { membershipFile } from '../kubernetes/join/membership.ts';
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
  if (isSandboxed && options.join !== undefined) throw needsMachine();
  const openLog = options.detach === true ? openSupervisorLog : undefined;

  // As soon as the name is known `down` finds a node that is only starting. Without a config file, the options say
  // all that the supervisor process needs to start: it loads while the config is resolved and binaries are looked for.
  const { name = options.config === undefined ? 'default' : '', dataDir, listen } = options;
  const ports = allPorts(options.publish);
  if (nodeName.test(name)) {
    if (isSandboxed && options.config === undefined) {
      await launch.start({ name, dataDir: dataDir && resolve(dataDir), listen, ports, openLog });
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
  if (existsSync(membershipFile(nodePaths(node.name, node.dataDir)))) throw needsMachine();

  if (!launch.hasStarted) await launch.start({ ...node, openLog });
  const spec = bootSpecOf(options, config);
  const supervisor = await launch.run(spec);
  if (options.detach !== true) return await supervisor.exitCode;
  const { detachWhenReady } = await import('../launcher/followBoot.ts');
  return await detachWhenReady(supervisor, launch, spec);
}

function needsMachine(): Failure {
  const message = 'a worker has the network of its machine, in which the nodes of a cluster reach each other';
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
