import type { ComponentSpec } from './schema/componentSpec.ts';
import type { NodeConfig } from './schema/node.ts';
import type { Position } from './yaml/problems.ts';

/** A config with all defaults filled in, all references resolved, and nothing wrong with it as far as a file can show. */
export interface Config {
  readonly node: NodeConfig;
  readonly components: Readonly<Record<string, ComponentSpec>>;
  /** As named by the person who gave it; undefined when there is none and everything is a default. */
  readonly file: string | undefined;
  /** The folder that relative paths start from. */
  readonly dir: string;
  /** Values that came from the environment and must not be shown. */
  readonly secrets: ReadonlySet<string>;
  /** Where in the file a value or, with `key`, a key stands. */
  readonly positionOf: (path: readonly PropertyKey[]) => Position;
}
