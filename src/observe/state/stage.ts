import { dependencyName } from '../../engine/component.ts';
import type { Dependency } from '../../engine/component.ts';

/** What the views know of a component besides its events. A `Component` is one. */
export interface Stage {
  readonly name: string;
  readonly needs: readonly Dependency[];
}

/** The names at the far end of its edges. */
export function needNames({ needs }: Stage): string[] {
  return needs.map(dependencyName);
}

/** All that need `name`, directly or not, in the given order. */
export function behind(stages: readonly Stage[], name: string): string[] {
  const dependents = new Map<string, string[]>(stages.map((stage) => [stage.name, []]));
  for (const stage of stages) for (const need of needNames(stage)) dependents.get(need)?.push(stage.name);
  const found = new Set([name]);
  // What is added while it is gone through is gone through, too.
  for (const each of found) for (const dependent of dependents.get(each) ?? []) found.add(dependent);
  return stages.map((stage) => stage.name).filter((other) => other !== name && found.has(other));
}
