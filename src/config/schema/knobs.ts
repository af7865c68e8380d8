import { z } from 'zod';
import { Failure } from '../../lib/errors.ts';
import { map } from './fields.ts';
import { nodeShape } from './node.ts';
import type { NodeConfig } from './node.ts';

/** Knobs from the command line: they count instead of the file's. */
export type SettingOverrides = Readonly<Partial<Pick<NodeConfig, 'name' | 'dataDir' | 'listen'>>>;

/** A config file without a look into its components: their references can only be resolved when the knobs are known. */
export const settingsSchema = map({ ...nodeShape, components: z.unknown().exactOptional() });

/** These knobs, and the default of every other. @throws Failure `usage` when one is not right in itself. */
export function resolveSettings(set: SettingOverrides): NodeConfig {
  const { data, error } = settingsSchema.safeParse(set);
  if (data !== undefined) return data;
  const { path, message } = error.issues[0]!;
  throw new Failure('usage', `${path.join('.')}: ${message}`);
}
