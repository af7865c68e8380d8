import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { defaults } from '../config/schema/defaults.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import type { Signals } from '../lib/signals.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';
import type { LaunchedNodes, Member } from './launchedNodes.ts';
import { openAnonymousLog } from './supervisorLog.ts';

/** A name for a node of which nothing is kept. */
export function ephemeralName(prefix: string): string {
  return `${prefix}-${randomBytes(3).toString('hex')}`;
}

/** The paths of a node of which nothing is kept: its data is in the run folder, which is removed with the node, however that ends. */
export function ephemeralPaths(name: string): Paths {
  return nodePaths(name, join(nodePaths(name).run, 'data'));
}

/** What `up` takes for a node of which nothing is kept. */
export function ephemeralOptions<Options extends Omit<UpOptions, 'output' | 'dataDir' | 'ephemeral'>>(
  options: Options,
  name: string,
): Options & Required<Pick<UpOptions, 'name' | 'dataDir' | 'ephemeral' | 'output'>> {
  return { ...options, name, dataDir: ephemeralPaths(name).data, ephemeral: true, output: 'auto' };
}

/** Launches a node of which nothing is kept: what is large or often written is in memory. */
export async function launchEphemeral(
  launched: LaunchedNodes,
  options: UpOptions,
  signals: Signals,
): Promise<Member> {
  const { name = '', dataDir, artifacts } = options;
  const config =
    options.config === undefined ? undefined : await signals.interruptible(loadNodeConfig(options));
  if (config?.node.kubernetes === false) throw needsNode(config);
  if (artifacts !== undefined) await mkdir(artifacts, { recursive: true });
  const { etcd, containerd, kubelet } = nodePaths(name, dataDir);
  return launched.launch(options, {
    config: options.join === undefined || config === undefined ? config : ofWorker(config),
    openLog: async () => openAnonymousLog(name),
    alternative: `use a node on the host itself: ${nodeCommand('up', { name: 'default' }, '--host')}`,
    // Nobody reads its stdout: the events come through the control socket.
    supervisorOutput: 'json',
    overrides: {
      tmpfs: [etcd, containerd, kubelet],
      ...(artifacts !== undefined && { kept: [artifacts] }),
    },
  });
}

/** What a config says of the node itself, such as its name and its ports of the host, is of the control plane, and so are components. */
function ofWorker({ node: { listen: _listen, ...node }, ...config }: Config): Config {
  return { ...config, node: { ...node, ports: [], nodeName: defaults.nodeName }, components: {} };
}

function needsNode({ node: { name }, file }: Config): Failure {
  return new Failure('usage', 'the config is of a graph without Kubernetes: run needs a node', {
    hint: nodeCommand('up', { name }, ...(file === undefined ? [] : ['--config', file])),
  });
}
