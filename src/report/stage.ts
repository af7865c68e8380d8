import type { Need } from '../component.ts';

/** What the views know of a component besides its events. A `Component` is one. */
export interface Stage {
  readonly name: string;
  readonly needs: readonly Need[];
}

/** The names at the far end of its edges. */
export function needNames({ needs }: Stage): string[] {
  return needs.map((need) => (typeof need === 'string' ? need : need.on));
}

/** All that need `name`, directly or not, in the given order. */
export function behind(stages: readonly Stage[], name: string): string[] {
  const found = new Set([name]);
  let size = 0;
  while (size !== found.size) {
    size = found.size;
    for (const stage of stages) if (needNames(stage).some((need) => found.has(need))) found.add(stage.name);
  }
  return stages.map((stage) => stage.name).filter((other) => other !== name && found.has(other));
}
