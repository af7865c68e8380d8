import { resolve } from 'node:path';
import { parseDuration } from '../config/duration.ts';
import type { Config } from '../config/load.ts';
import type { SourceName } from '../install/sources.ts';
import type { OutputMode } from '../report/reporter.ts';

/** What `up` and `run` are asked for. */
export interface UpOptions {
  readonly config?: string;
  readonly name?: string;
  readonly dataDir?: string;
  readonly binDir?: readonly string[];
  readonly detach?: boolean;
  readonly timeout?: string;
  readonly host?: boolean;
  readonly install: boolean;
  readonly source: SourceName;
  readonly output: OutputMode;
}

/** The config with what the command line says laid over it. */
export function withOptions(config: Config, { name, dataDir, binDir, timeout }: UpOptions): Config {
  const { node } = config;
  return {
    ...config,
    node: {
      ...node,
      name: name ?? node.name,
      ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
      binDirs: [...(binDir ?? []), ...binDirsOfEnvironment(), ...node.binDirs],
      timeouts: { ...node.timeouts, ...(timeout === undefined ? {} : { boot: parseDuration(timeout) }) },
    },
  };
}

/** K8S_SINGLE_BIN_DIR: folders, colon-separated. */
export function binDirsOfEnvironment(): string[] {
  return (process.env['K8S_SINGLE_BIN_DIR'] ?? '').split(':').filter(Boolean);
}
