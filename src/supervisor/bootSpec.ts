import type { Config } from '../config/config.ts';
import { nowhere } from '../config/yaml/source.ts';
import type { Binaries } from '../install/install.ts';
import type { UpOptions } from './options.ts';

/** What the process outside a box has found out and the one inside needs not find out again. */
export interface Plan {
  readonly options: UpOptions;
  readonly config: Config;
  readonly binaries: Binaries;
}

/** A plan, or as much of it as can be known without the node's own address. */
export interface PlanSoFar extends Omit<Plan, 'binaries'> {
  readonly binaries?: Binaries;
  /**
   * The config is to be read again when the node's address is known: its components may refer to that, and be wrong at a place
   * in the file.
   */
  readonly isConfigFinal: boolean;
}

/** A plan as JSON. */
export function written({ options, config, binaries }: Plan): Written {
  const { node, components, file, dir, secrets } = config;
  const isConfigFinal = Object.keys(components).length === 0;
  return { options, node, file, dir, secrets: [...secrets], binaries, isConfigFinal };
}

/** The plan that was written. */
export function planOf(task: unknown): PlanSoFar {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same program has written it
  const { options, binaries, secrets, isConfigFinal, ...config } = task as Written;
  return {
    options,
    binaries,
    config: { ...config, components: {}, secrets: new Set(secrets), positionOf: nowhere },
    isConfigFinal,
  };
}

type Written = Pick<Config, 'node' | 'file' | 'dir'> &
  Omit<Plan, 'config'> &
  Pick<PlanSoFar, 'isConfigFinal'> & { readonly secrets: readonly string[] };
