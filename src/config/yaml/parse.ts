import { YamlFile } from '../schema/document.ts';
import { Problems } from './problems.ts';
import { resolveConfig } from './resolve.ts';
import type { Config } from '../config.ts';
import type { ResolveOptions } from './resolve.ts';

/** A config from a text; `file` is its name. @throws Failure `usage` that says all that is wrong, as `loadConfig` does. */
export function parseConfig(text: string, file: string, world?: ResolveOptions): Config {
  const problems = new Problems(file);
  return resolveConfig(new YamlFile(text, problems), problems, file, world);
}
