import type { Config } from '../config/resolve.ts';
import { nothing } from '../config/source.ts';
import type { Binaries } from '../install/install.ts';
import type { UpOptions } from './options.ts';

/** What the process outside a box has found out and the one inside needs not find out again. */
export interface Plan {
  readonly options: UpOptions;
  readonly config: Config;
  readonly binaries: Binaries;
}

/** main.ts looks for it, too. */
const variable = 'K8S_SINGLE_PLAN';

/** The kernel takes no longer text in an environment (MAX_ARG_STRLEN in linux/binfmts.h is 128 KiB). */
const maxBytes = 100 * 1024;

/**
 * The environment that hands a plan on. Empty when the process inside has to read the config itself: with components in it,
 * which can refer to the node's address and be wrong at a place in the file, or when it is too long.
 */
export function planEnv({ options, config, binaries }: Plan): Record<string, string> {
  const { node, components, file, dir, secrets } = config;
  if (Object.keys(components).length > 0) return {};
  const text = JSON.stringify({ options, node, file, dir, secrets: [...secrets], binaries });
  return Buffer.byteLength(text) > maxBytes ? {} : { [variable]: text };
}

/** Takes the plan that this process was handed, so that those it starts do not see it. */
export function takePlan(): Plan {
  const text = process.env[variable] ?? '';
  delete process.env[variable];
  const { options, binaries, secrets, ...config }: Written = JSON.parse(text);
  // Without components there is nothing that could be wrong at a place.
  return {
    options,
    binaries,
    config: { ...config, components: {}, secrets: new Set(secrets), positionOf: nothing.positionOf },
  };
}

type Written = Pick<Config, 'node' | 'file' | 'dir'> &
  Pick<Plan, 'options' | 'binaries'> & { readonly secrets: readonly string[] };
