import { resolve } from 'node:path';
import { parseDuration } from '../config/schema/duration.ts';
import { loadConfig } from '../config/yaml/load.ts';
import type { Config } from '../config/config.ts';
import { serverForm, serverHost } from '../config/schema/serverUrl.ts';
import { Failure } from '../lib/errors.ts';
import type { SourceName } from '../install/sources.ts';
import type { OutputMode } from '../observe/terminal/reporter.ts';

/** What `up` and `run` are asked for. */
export interface UpOptions {
  readonly config?: string;
  readonly name?: string;
  readonly dataDir?: string;
  readonly binDir?: readonly string[];
  readonly detach?: boolean;
  readonly timeout?: string;
  readonly host?: boolean;
  readonly listen?: string;
  /** Names of components, comma-separated, or `all`. */
  readonly forwardLogs?: string;
  readonly install: boolean;
  readonly source: SourceName;
  readonly output: OutputMode;
  /** Nothing of the node is kept: see `run`. */
  readonly ephemeral?: boolean;
  /** Where the report and the logs of a node that has failed are kept; by default they stay with its data. */
  readonly artifacts?: string;
}

/** What the command line says of the config. */
export type ConfigOptions = Pick<
  UpOptions,
  'config' | 'name' | 'dataDir' | 'binDir' | 'timeout' | 'listen' | 'forwardLogs' | 'ephemeral' | 'detach'
>;

/** The config with what the command line says laid over it. `ip`: the node's own address, when it is known. */
export async function loadNodeConfig(options: ConfigOptions, ip?: string): Promise<Config> {
  const { config: file, name, dataDir, binDir = [], timeout, listen } = options;
  const set = {
    ...(name === undefined ? {} : { name }),
    ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
    ...(listen === undefined ? {} : { listen }),
  };
  const config = await loadConfig(file, { set, ...(ip === undefined ? {} : { ip }) });
  const { node } = config;
  const boot = timeout === undefined ? node.timeouts.boot : parseDuration(timeout);
  const binDirs = [...binDir, ...binDirsOfEnvironment(), ...node.binDirs];
  // What is thrown away need not be on any disk.
  const etcd = options.ephemeral === true ? { ...node.etcd, fsync: false } : node.etcd;
  const images = node.images.map((place) => resolve(config.dir, place));
  const network = { ...serverOfEnvironment(), ...node.network };
  return {
    ...config,
    node: {
      ...node,
      network,
      binDirs,
      images,
      etcd,
      logs: { ...node.logs, forward: forwarded(options, node.logs.forward) },
      timeouts: { ...node.timeouts, boot },
    },
  };
}

/** Nobody looks at what a node says that runs in the background: it has a log of its own. */
function forwarded(
  { forwardLogs, detach, ephemeral }: ConfigOptions,
  configured: readonly string[],
): string[] {
  if (detach === true || ephemeral === true) return [];
  return forwardLogs === undefined ? [...configured] : forwardLogs.split(',').filter(Boolean);
}

/** K8S_SINGLE_SERVER: for a container, whose published port only those outside know. */
function serverOfEnvironment(): { server?: string } {
  const server = process.env['K8S_SINGLE_SERVER'];
  if (!server) return {};
  if (serverHost(server) !== undefined) return { server };
  throw new Failure('usage', `K8S_SINGLE_SERVER is ${JSON.stringify(server)}: expected ${serverForm}`);
}

/** K8S_SINGLE_BIN_DIR: folders, colon-separated. */
export function binDirsOfEnvironment(): string[] {
  return (process.env['K8S_SINGLE_BIN_DIR'] ?? '').split(':').filter(Boolean);
}
