import type { ComponentSpec } from './schema/componentSpec.ts';
import type { NodeConfig } from './schema/node.ts';
import type { Position } from './yaml/problems.ts';

/** A valid config, with all defaults filled in and all references resolved. */
export interface Config {
  readonly node: NodeConfig;
  readonly components: Readonly<Record<string, ComponentSpec>>;
  /** The path as the user gave it; undefined without a file. */
  readonly file: string | undefined;
  /** The directory that relative paths in the config start from. */
  readonly dir: string;
  /** Values of environment variables whose names mark them as secret: never show them. */
  readonly secrets: ReadonlySet<string>;
  /** The position in the file of the value at a path. */
  readonly positionOf: (path: readonly PropertyKey[]) => Position;
}
