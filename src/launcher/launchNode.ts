import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { readMembership } from '../kubernetes/join/membership.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { nodeName, nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import type { Signals } from '../lib/signals.ts';
import type { OutputMode } from '../observe/terminal/reporter.ts';
import type { SandboxSpec } from '../sandbox/sandboxSpec.ts';
import { bootSpecOf } from '../supervisor/bootSpec.ts';
import type { BootSpec } from '../supervisor/bootSpec.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';
import { allPorts } from '../supervisor/ports/open.ts';
import type { Launch, NodeStart, Supervisor } from './launch.ts';

/** A node whose supervisor runs in its sandbox. */
export interface LaunchedNode {
  readonly supervisor: Supervisor;
  readonly spec: BootSpec;
}

/** Besides the options of `up`. */
export interface LaunchSettings extends Pick<NodeStart, 'openLog' | 'alternative'> {
  readonly signals: Signals;
  /** What the options say, if that was loaded already. */
  readonly config?: Config | undefined;
  /** The output of the supervisor, which writes to its log. Default: as in the options. */
  readonly supervisorOutput?: OutputMode;
  /** Called once the locks are held, at the latest when the config is known. */
  readonly onStarted?: () => void;
  /** For the sandbox. */
  readonly overrides?: Partial<SandboxSpec>;
}

/**
 * Launches a node in a sandbox, as a control plane or a worker.
 * @throws Failure as {@link Launch.start} and {@link Launch.run}, and `usage` for options that do not fit; Interrupted
 */
export async function launchNode(
  launch: Launch,
  options: UpOptions,
  { signals, openLog, alternative, config: loaded, supervisorOutput, onStarted, overrides }: LaunchSettings,
): Promise<LaunchedNode> {
  const common = { openLog, ...(alternative !== undefined && { alternative }) };
  const { name = 'default', listen } = options;
  // Without a config file, the options say all that the supervisor process needs to start: it loads while the config is
  // resolved and binaries are looked for.
  if (loaded === undefined && options.config === undefined && nodeName.test(name)) {
    const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir);
    const { cluster } = membershipIn(options, { name, dataDir });
    const ports = allPorts(options.publish);
    await launch.start({ ...common, name, dataDir, listen, ports, cluster });
    onStarted?.();
  }
  const config = loaded ?? (await signals.interruptible(loadNodeConfig(options)));
  const { node } = config;
  if (node.kubernetes === false) throw noKubernetes(node.name);
  const { cluster, control } = membershipIn(options, node);
  if (cluster === node.name && node.etcd.endpoints !== undefined) throw sharedEtcd();
  if (!launch.hasStarted)
    await launch.start({
      ...common,
      name: node.name,
      dataDir: node.dataDir,
      listen: node.listen,
      ports: node.ports,
      kubelet: node.kubelet,
      cluster,
    });
  const given = { ...options, output: supervisorOutput ?? options.output };
  const spec =
    control === undefined
      ? bootSpecOf(given, config)
      : await signals.interruptible(
          (await import('../supervisor/worker.ts')).localWorkerSpecOf(given, config, control),
        );
  const supervisor = await launch.run(spec, overrides);
  if (cluster === node.name && options.ephemeral !== true)
    writeFileSync(joinableFile(nodePaths(node.name, node.dataDir)), '');
  return { supervisor, spec: { ...spec, options } };
}

/**
 * The cluster on this machine in whose network a node in a sandbox is, and its control plane if the node is a worker.
 * @throws Failure `usage` for a worker of another machine, which needs the network of this one
 */
function membershipIn(
  { join: joined, joinable }: UpOptions,
  { name, dataDir }: { readonly name: string; readonly dataDir?: string | undefined },
): { readonly cluster?: string; readonly control?: string } {
  const paths = nodePaths(name, dataDir);
  const known = joined === undefined ? readMembership(paths) : undefined;
  if (known !== undefined && known.control === undefined) throw needsMachine();
  const control = joined ?? known?.control;
  if (control !== undefined && joinable === true)
    throw new Failure('usage', `node ${name} is a worker of ${control}, and nobody can join a worker`, {
      hint: `remove it first: ${nodeCommand('down', { name, dataDir }, '--purge')}; or give this one another --name`,
    });
  if (control !== undefined) return { cluster: control, control };
  return joinable === true || existsSync(joinableFile(paths)) ? { cluster: name } : {};
}

/** Remembers that other nodes of this machine may join: its workers would lose a control plane that was started again without. */
function joinableFile({ data }: Pick<Paths, 'data'>): string {
  return join(data, 'joinable');
}

function noKubernetes(name: string): Failure {
  return new Failure('usage', `the config of node ${name} is of a graph without Kubernetes`, {
    hint: `start it alone, and without --detach: ${nodeCommand('up', { name }, '--config', 'FILE')}`,
  });
}

function sharedEtcd(): Failure {
  return new Failure('usage', 'a cluster in an etcd of others has no workers', {
    hint: 'leave out --joinable, or etcd.endpoints in the config',
  });
}

/** The failure of a worker of another machine that is started in a sandbox. */
export function needsMachine(): Failure {
  const message =
    'a worker of another machine has the network of its own, in which the nodes reach each other';
  return new Failure('usage', message, { hint: 'add --host' });
}
