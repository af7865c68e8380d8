import { resolve } from 'node:path';
import { parseDuration } from '../config/schema/duration.ts';
import { loadConfig } from '../config/loadConfig.ts';
import type { Config } from '../config/config.ts';
import type { NodeConfig } from '../config/schema/node.ts';
import { serverForm, serverHost } from '../config/schema/addresses.ts';
import { egressModes } from '../host/egress.ts';
import type { EgressMode } from '../host/egress.ts';
import { Failure } from '../lib/errors.ts';
import { allPorts } from './ports/open.ts';
import type { SourceName } from '../install/sources.ts';
import type { OutputMode } from '../observe/terminal/reporter.ts';

/** The options of `up` and `run`. */
export interface UpOptions {
  readonly config?: string;
  readonly name?: string;
  readonly dataDir?: string;
  readonly binDir?: readonly string[];
  readonly detach?: boolean;
  readonly timeout?: string;
  readonly host?: boolean;
  readonly listen?: string;
  /** Ports of the host that lead to the node: see config/schema/ports.ts. */
  readonly publish?: readonly string[];
  /** Names of components, comma-separated, or `all`. */
  readonly forwardLogs?: string;
  /** Other nodes of this machine may join, in sandboxes as well. */
  readonly joinable?: boolean;
  /** The cluster whose worker the node becomes: the URL of its API server, or the name of its control plane on this machine. */
  readonly join?: string;
  /** The token with which it joins: see kubernetes/join/token.ts. */
  readonly token?: string;
  readonly install: boolean;
  readonly source: SourceName;
  /** The version of Kubernetes, instead of the config's. */
  readonly kubernetes?: string;
  /** The server of official releases, instead of the config's. */
  readonly mirror?: string;
  readonly output: OutputMode;
  /** Nothing of the node is kept: see `run`. */
  readonly ephemeral?: boolean;
  /** Where the report and the logs of a failed node are kept. Default: with its data. */
  readonly artifacts?: string;
}

/** The options that change the config. */
export type ConfigOptions = Pick<
  UpOptions,
  | 'config'
  | 'name'
  | 'dataDir'
  | 'binDir'
  | 'timeout'
  | 'listen'
  | 'publish'
  | 'forwardLogs'
  | 'ephemeral'
  | 'detach'
  | 'kubernetes'
  | 'mirror'
>;

/**
 * Loads the config and applies the options and the environment to it.
 * @param ip the node's own address, when it is known
 */
export async function loadNodeConfig(options: ConfigOptions, ip?: string): Promise<Config> {
  const { config: file, name, dataDir, binDir = [], timeout, listen, kubernetes, mirror } = options;
  const overrides = {
    ...(name === undefined ? {} : { name }),
    ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
    ...(listen === undefined ? {} : { listen }),
    ...(kubernetes === undefined ? {} : { kubernetes }),
    ...(mirror === undefined ? {} : { mirror }),
  };
  const config = await loadConfig(file, { overrides, ...(ip === undefined ? {} : { ip }) });
  const { node } = config;
  const boot = timeout === undefined ? node.timeouts.boot : parseDuration(timeout);
  const binDirs = [...binDir, ...binDirsOfEnvironment(), ...node.binDirs];
  const etcd = await etcdOf(config, options);
  const images = node.images.map((place) => resolve(config.dir, place));
  const network = { ...serverOfEnvironment(), ...egressOfEnvironment(), ...node.network };
  const addons = Object.fromEntries(
    Object.entries(node.addons).map(([key, addon]) => [
      key,
      { ...addon, ...(addon.file !== undefined && { file: resolve(config.dir, addon.file) }) },
    ]),
  );
  const ports = allPorts(options.publish, node.ports);
  const { dir: snapshotDir, passphraseFile } = node.snapshots;
  const snapshots = {
    ...node.snapshots,
    // Nodes that share a config do not share snapshots.
    ...(snapshotDir !== undefined && { dir: resolve(config.dir, snapshotDir, node.name) }),
    ...(passphraseFile !== undefined && { passphraseFile: resolve(config.dir, passphraseFile) }),
  };
  const { corefile } = node.dns;
  const dns = { ...node.dns, ...(corefile !== undefined && { corefile: resolve(config.dir, corefile) }) };
  return {
    ...config,
    node: {
      ...node,
      network,
      registries: await registriesOf(config),
      ...mirrorOfEnvironment(),
      ...(node.mirror === undefined ? {} : { mirror: node.mirror }),
      dns,
      binDirs,
      images,
      addons,
      snapshots,
      ports,
      etcd,
      logs: { ...node.logs, forward: forwarded(options, node.logs.forward) },
      timeouts: { ...node.timeouts, boot },
    },
  };
}

/** @throws Failure `usage` for files of an etcd of others that cannot be used, and for such an etcd with an ephemeral node */
async function etcdOf(config: Config, { ephemeral }: ConfigOptions): Promise<NodeConfig['etcd']> {
  const { etcd } = config.node;
  // An ephemeral node need not survive a power failure.
  if (etcd.endpoints === undefined) return ephemeral === true ? { ...etcd, fsync: false } : etcd;
  if (ephemeral === true) {
    throw new Failure(
      'usage',
      'etcd.endpoints: nothing of this node is kept, and that etcd keeps its cluster',
      {
        hint: 'leave it out: the node has an etcd of its own in memory',
      },
    );
  }
  // Most configs have none.
  return (await import('../config/etcdFiles.ts')).resolveEtcd(config);
}

/** With absolute paths, and checked. */
async function registriesOf(config: Config): Promise<NodeConfig['registries']> {
  const { node, dir } = config;
  if (Object.keys(node.registries).length === 0) return node.registries;
  // Most configs have none.
  const { checkRegistryFiles, resolveRegistries } = await import('../config/registryFiles.ts');
  const registries = resolveRegistries(node.registries, dir);
  checkRegistryFiles({ ...config, node: { ...node, registries } });
  return registries;
}

/** A node in the background forwards no logs: nobody reads its output, which goes to a log of its own. */
function forwarded(
  { forwardLogs, detach, ephemeral }: ConfigOptions,
  configured: readonly string[],
): string[] {
  if (detach === true || ephemeral === true) return [];
  return forwardLogs === undefined ? [...configured] : forwardLogs.split(',').filter(Boolean);
}

/** K8S_SINGLE_SERVER: for a container, which cannot know its published port. */
function serverOfEnvironment(): { server?: string } {
  const server = process.env['K8S_SINGLE_SERVER'];
  if (!server) return {};
  if (serverHost(server) !== undefined) return { server };
  throw new Failure('usage', `K8S_SINGLE_SERVER is ${JSON.stringify(server)}: expected ${serverForm}`);
}

/** K8S_SINGLE_MIRROR: for a company whose machines download from a server of its own. */
function mirrorOfEnvironment(): { mirror?: string } {
  const mirror = process.env['K8S_SINGLE_MIRROR'];
  return mirror ? { mirror } : {};
}

/** K8S_SINGLE_EGRESS: for all nodes of a machine, such as one on which no test may reach another. */
function egressOfEnvironment(): { egress?: EgressMode } {
  const given = process.env['K8S_SINGLE_EGRESS'];
  if (!given) return {};
  const egress = egressModes.find((mode) => mode === given);
  if (egress !== undefined) return { egress };
  throw new Failure(
    'usage',
    `K8S_SINGLE_EGRESS is ${JSON.stringify(given)}: expected ${egressModes.join(', ')}`,
  );
}

/** The folders of K8S_SINGLE_BIN_DIR, which are separated by colons. */
export function binDirsOfEnvironment(): string[] {
  return (process.env['K8S_SINGLE_BIN_DIR'] ?? '').split(':').filter(Boolean);
}

function option(flag: string, value: string | undefined): string[] {
  return value === undefined ? [] : [flag, value];
}

/** The arguments of `up` for these options, from any folder: paths are absolute. Without `--detach` and the token. */
export function upArguments(options: UpOptions, name: string): string[] {
  const { config, dataDir, binDir = [], timeout, listen, publish = [], host, install, source } = options;
  const { kubernetes, mirror, output, forwardLogs, joinable, join } = options;
  return [
    ...option('--name', name),
    ...option('--config', config && resolve(config)),
    ...option('--data-dir', dataDir && resolve(dataDir)),
    ...binDir.flatMap((dir) => option('--bin-dir', resolve(dir))),
    ...option('--timeout', timeout),
    ...option('--listen', listen),
    ...publish.flatMap((port) => option('--publish', port)),
    ...(host === true ? ['--host'] : []),
    ...(joinable === true ? ['--joinable'] : []),
    ...option('--join', join),
    ...(install ? [] : ['--no-install']),
    ...option('--source', source === 'auto' ? undefined : source),
    ...option('--kubernetes', kubernetes),
    ...option('--mirror', mirror),
    ...option('--output', output === 'auto' ? undefined : output),
    // With its value after an equals sign: it has a default.
    ...(forwardLogs === undefined ? [] : [`--forward-logs=${forwardLogs}`]),
  ];
}
