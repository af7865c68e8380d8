import { stringify } from 'yaml';
import type { Config } from '../config.ts';
import { resolved } from './show.ts';

/** The resolved config as YAML. */
export function resolvedYaml(config: Config): string {
  return stringify(resolved(config), { lineWidth: 110 });
}
