import { resolve } from 'node:path';
import { nodeName } from '../../lib/paths.ts';
import { defaults } from '../components/defaults.ts';
import type { SettingOverrides } from '../schema/knobs.ts';
import type { NodeConfig } from '../schema/node.ts';
import type { Config } from '../config.ts';
import { nowhere } from './source.ts';

/** The config where there is no file. @throws Failure `usage` when a knob is not right in itself. */
export async function configWithoutFile(set: SettingOverrides = {}): Promise<Config> {
  return {
    node: await knobs(set),
    components: {},
    file: undefined,
    dir: resolve('.'),
    secrets: new Set(),
    positionOf: nowhere,
  };
}

/** The schema says what is wrong; where nothing is, a start does not wait the 30 ms that it takes to load. */
async function knobs(set: SettingOverrides): Promise<NodeConfig> {
  const { name = defaults.name, dataDir = '/', listen } = set;
  const isFine = nodeName.test(name) && dataDir.startsWith('/') && listen === undefined;
  return isFine ? { ...defaults, ...set } : (await import('../schema/knobs.ts')).resolveSettings(set);
}
