import type { Config } from '../config/config.ts';
import type { PortMapping } from '../config/schema/ports.ts';
import { nowhere } from '../config/yaml/problems.ts';
import type { EgressPlan } from '../host/egress.ts';
import type { Binaries } from '../install/install.ts';
import { isInUnit } from '../instance/unit.ts';
import { plannedAddonFiles } from '../kubernetes/addons/source.ts';
import type { Joining } from '../kubernetes/join/membership.ts';
import { nodePaths, unitOf } from '../lib/paths.ts';
import { upArguments } from './options.ts';
import type { UpOptions } from './options.ts';

/** What a supervisor needs to boot its node. In a sandbox it arrives as the task of the boot message. */
export interface BootSpec {
  readonly options: UpOptions;
  readonly config: Config;
  /** Found by the launcher; without them the supervisor finds or installs them itself. */
  readonly binaries?: Binaries;
  /** How a node in a sandbox reaches other machines; planned by the launcher. */
  readonly egress?: EgressPlan;
  /** The published ports, which the launcher has bound. */
  readonly ports?: readonly PortMapping[];
  /** The cluster of a worker. */
  readonly joining?: Joining;
  /** Whether the config has components. They may refer to the node's address, so the config is read again with it. */
  readonly hasComponents: boolean;
  /** The files in the folder for addons; undefined without that folder. */
  readonly addonFiles?: readonly string[];
  /** The systemd unit that runs the node. */
  readonly unit?: string;
  /** The arguments of `up` that start this node again; undefined for one of which nothing is kept. */
  readonly again?: readonly string[];
  /** When the command was started, in ms since the epoch. */
  readonly startedAt: number;
}

export function bootSpecOf(options: UpOptions, config: Config): BootSpec {
  const hasComponents = Object.keys(config.components).length > 0;
  const { name, dataDir } = config.node;
  // From outside of the sandbox, whose data folder is not in its place yet when its graph is planned.
  const addonFiles = plannedAddonFiles(nodePaths(name, dataDir).addons);
  const again = options.ephemeral === true ? {} : { again: upArguments(options, name) };
  const unit = isInUnit(name) ? { unit: unitOf(name).name } : {};
  const common = { options, config, hasComponents, ...again, ...unit, startedAt: performance.timeOrigin };
  return { ...common, ...(addonFiles !== undefined && { addonFiles }) };
}

/** The boot spec as JSON values. The components stay behind: see {@link BootSpec.hasComponents}. */
export function encodeBootSpec({ config, ...spec }: BootSpec): EncodedBootSpec {
  const { node, file, dir, secrets } = config;
  return { ...spec, config: { node, file, dir, secrets: [...secrets] } };
}

export function decodeBootSpec(task: unknown): BootSpec {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has encoded it
  const { config, ...spec } = task as EncodedBootSpec;
  const secrets = new Set(config.secrets);
  return { ...spec, config: { ...config, components: {}, secrets, positionOf: nowhere } };
}

type EncodedBootSpec = Omit<BootSpec, 'config'> & {
  readonly config: Pick<Config, 'node' | 'file' | 'dir'> & { readonly secrets: readonly string[] };
};
