import { resolve } from 'node:path';
import { knobsOf } from './knobs.ts';
import type { SetKnobs } from './knobs.ts';
import type { Config } from './resolve.ts';
import { nowhere } from './source.ts';

/** The config where there is no file. @throws Failure `usage` when a knob is not right in itself. */
export function defaultConfig(set: SetKnobs = {}): Config {
  return {
    node: knobsOf(set),
    components: {},
    file: undefined,
    dir: resolve('.'),
    secrets: new Set(),
    positionOf: nowhere,
  };
}
