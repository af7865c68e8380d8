import { join } from 'node:path';
import { cri } from '../../../probes/kinds/cri.ts';
import { PermanentFailure } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import type { Dependency, Diagnosis, Service } from '../../engine/component.ts';
import { tail } from '../../engine/supervise/logFile.ts';
import { ensurePrivateFolder, writeFileAtomicallySync } from '../../lib/atomicFile.ts';
import { removeNetwork, writeNetwork } from './cni.ts';
import { nodeProgram } from '../environment.ts';
import { assertDatabase, ifWrongKind, isDamage } from './database.ts';
import type { NodeFacts } from '../facts.ts';
import { pauseImageOf } from '../images/pauseImage.ts';
import { quote, registrySection, writeHostsFiles } from '../images/registries.ts';

/** containerd, with its own root, state and socket: independent of any other containerd on the machine. */
export function containerd(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { paths, proxyEnv } = facts;
  const configFile = join(paths.containerd, 'config.toml');
  const remedy = `remove ${root(facts)}: the images of the config come again, those of "image load" have to be loaded again`;
  let isFirst = true;
  const command = async () => {
    for (const file of databases(facts)) assertDatabase(file, remedy);
    for (const folder of [paths.containerd, paths.cni]) ensurePrivateFolder(folder);
    // It may have passwords of registries.
    writeFileAtomicallySync(configFile, configuration(facts), { mode: 0o600 });
    writeHostsFiles(facts);
    // Before the kubelet asks for the network. A new worker is told its range later.
    const { joining, config } = facts;
    const range = joining === undefined ? config.network.podCidr : joining.podCidr;
    if (range === undefined && isFirst) removeNetwork(facts);
    else if (range !== undefined && (isFirst || joining === undefined)) writeNetwork(facts, range);
    isFirst = false;
    const program = nodeProgram(facts, 'containerd', ['--config', configFile]);
    // It pulls images.
    return { ...program, env: { ...program.env, ...proxyEnv } };
  };
  return {
    kind: 'service',
    name: 'containerd',
    needs,
    command,
    // Not just the socket: containerd also listens when its CRI plugin has failed to load.
    ready: criOf(facts),
    live: cri(paths.containerdSocket),
    diagnose: (reason, lastLines) => diagnose(reason, lastLines, { databases: databases(facts), remedy }),
  };
}

/** Where containerd keeps images, and what it knows of them. */
function root({ paths }: NodeFacts): string {
  return join(paths.containerd, 'root');
}

function databases(facts: NodeFacts): [string, string] {
  const snapshots = `io.containerd.snapshotter.v1.${facts.snapshotter}/metadata.db`;
  return [join(root(facts), 'io.containerd.metadata.v1.bolt/meta.db'), join(root(facts), snapshots)];
}

/** How the reason begins when containerd has come up, but its CRI plugin has not. */
const withoutCri = 'containerd runs without its CRI plugin';

/**
 * What the reason of a failure says of the data. A plugin that failed to load fails the next time, too.
 * @internal exported for tests
 */
export function diagnose(
  reason: string,
  lastLines: readonly string[],
  { databases: [images, snapshots], remedy }: { databases: readonly [string, string]; remedy: string },
): Diagnosis | undefined {
  if (isDamage(reason, lastLines)) {
    const isOfSnapshots = [reason, ...lastLines].some((line) => /snapshots\/storage|metadata\.db/.test(line));
    return { isPermanent: true, fault: `${isOfSnapshots ? snapshots : images} is damaged`, remedy };
  }
  return reason.startsWith(withoutCri) ? { isPermanent: true } : ifWrongKind(reason);
}

/** The lines that containerd logs from its start until it serves; it logs one for each of some 50 plugins. */
const startLines = 200;

/** The CRI. If containerd runs without it, the reason is that of its log, in which the first plugins fail by themselves. */
function criOf({ paths }: NodeFacts): Probe {
  const probe = cri(paths.containerdSocket);
  return async (signal) =>
    probe(signal).catch((error: unknown) => {
      if (!(error instanceof PermanentFailure)) throw error;
      const why = pluginFailure(tail(join(paths.logs, 'containerd.log'), startLines));
      throw new PermanentFailure(`${withoutCri}: ${why ?? error.message}`);
    });
}

/**
 * Why the CRI plugin failed to load, and the database on which it is built, if that failed.
 * @internal exported for tests
 */
export function pluginFailure(lines: readonly string[]): string | undefined {
  // containerd 1.x names the plugin in the message, 2.x in the field `id`.
  const failed = (plugin: RegExp): string | undefined => {
    const line = lines.findLast((each) => each.includes('failed to load plugin') && plugin.test(each));
    return line === undefined ? undefined : /error="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  };
  const database = failed(/io\.containerd\.metadata\.v1\.bolt/);
  const own = failed(/io\.containerd\.(?:grpc\.v1\.cri|cri\.v1\.\w+)/);
  return database === undefined ? own : `its database meta.db: ${database}`;
}

/** The config file, in the version that this containerd does not have to convert at each start. */
function configuration(facts: NodeFacts): string {
  const { config, paths, cniBinDir, snapshotter, canLowerOomScore, differences } = facts;
  const { configVersion, cniBinDirKey } = differences.containerd;
  // In version 2 the CRI is one plugin; in version 3 another one has its images.
  const isOne = configVersion === 2;
  const plugin = isOne ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.runtime';
  const binDir = quote(cniBinDir);
  return `version = ${configVersion}
root = ${quote(root(facts))}
state = ${quote(join(paths.run, 'containerd'))}
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = ${quote(paths.containerdSocket)}
${isOne ? '' : imagesPlugin(facts)}[plugins."${plugin}"]
${isOne ? `  sandbox_image = ${quote(pauseImageOf(config))}\n` : ''}\
  # Without the right to lower the OOM score, runc fails and no pod starts.
  restrict_oom_score_adj = ${!canLowerOomScore}
  # Removed with the run folder.
  netns_mounts_under_state_dir = true
  [plugins."${plugin}".containerd]
${isOne ? `    snapshotter = ${quote(snapshotter)}\n` : ''}\
  [plugins."${plugin}".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    # runc's own state, otherwise in /run/containerd for ever. Removed with the run folder.
    [plugins."${plugin}".containerd.runtimes.runc.options]
      Root = ${quote(join(paths.run, 'containerd', 'runc'))}
  [plugins."${plugin}".cni]
    ${cniBinDirKey} = ${cniBinDirKey === 'bin_dirs' ? `[${binDir}]` : binDir}
    conf_dir = ${quote(paths.cni)}
${registrySection(facts, isOne ? plugin : imagesPluginName)}`;
}

const imagesPluginName = 'io.containerd.cri.v1.images';

function imagesPlugin({ config, snapshotter }: NodeFacts): string {
  return `[plugins."${imagesPluginName}"]
  snapshotter = ${quote(snapshotter)}
  [plugins."${imagesPluginName}".pinned_images]
    sandbox = ${quote(pauseImageOf(config))}
`;
}
