import { dependencyName } from '../../engine/component.ts';
import type { Edge, Event } from '../../engine/component.ts';
import type { Stage } from '../state/state.ts';
import { criticalPathText, timelineOf } from './timeline.ts';
import type { Timeline } from './timeline.ts';

/** A graph prepared for drawing. */
export interface Drawing {
  /** In dependency order. */
  readonly stages: readonly Stage[];
  /** From start to ready, in ms, by name; empty without a boot. */
  readonly times: ReadonlyMap<string, number>;
  /** For each component with dependencies, the dependency that it waits for longest. */
  readonly parents: ReadonlyMap<string, string>;
  /** The critical path of the boot, from its start; without a boot, the longest chain. */
  readonly path: readonly string[];
  /** The path in words, with the duration of the boot. */
  readonly caption: string;
}

/** `stages`: in dependency order. `events`: of the boot, or empty. */
export function drawingOf(stages: readonly Stage[], events: readonly Event[]): Drawing {
  const boot = events.length === 0 ? undefined : timelineOf(stages, events);
  const ranks = boot === undefined ? depths(stages) : readyTimes(stages, boot);
  const last = (names: readonly string[]): string | undefined =>
    names.reduce<string | undefined>(
      (best, name) => (best === undefined || ranks.get(name)! >= ranks.get(best)! ? name : best),
      undefined,
    );
  const parents = new Map<string, string>();
  for (const stage of stages) {
    const parent = last(stage.needs.map(dependencyName));
    if (parent !== undefined) parents.set(stage.name, parent);
  }
  const path: string[] = [];
  for (let name = last(stages.map((stage) => stage.name)); name !== undefined; name = parents.get(name))
    path.unshift(name);
  return {
    stages,
    parents,
    path,
    times: boot === undefined ? new Map() : startTimes(boot),
    caption: captionOf(path, boot),
  };
}

/** Whether the edge is part of the critical path. */
export function isCritical({ path, parents }: Drawing, from: string, to: string): boolean {
  return parents.get(to) === from && path.includes(to);
}

/** What differs from the default edge (`ready`, `keep`), in words; may be empty. */
export function labelOf({ condition, whenLost }: Edge): string {
  return [condition === 'ready' ? '' : condition, whenLost === 'keep' ? '' : whenLost]
    .filter(Boolean)
    .join(', ');
}

function captionOf(path: readonly string[], boot: Timeline | undefined): string {
  if (boot === undefined) return `longest chain: ${path.join(' → ')}`;
  const end = boot.ready ? 'ready in' : 'not ready after';
  return `${end} ${(boot.ms / 1000).toFixed(1)} s; critical path, in s: ${criticalPathText(boot.criticalPath)}`;
}

/** The length of the longest chain that ends with each component. */
function depths(stages: readonly Stage[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const stage of stages)
    found.set(stage.name, 1 + Math.max(0, ...stage.needs.map((need) => found.get(dependencyName(need))!)));
  return found;
}

/** When each became ready, in ms since the boot began. Those that did not come last. */
function readyTimes(stages: readonly Stage[], { spans, ms }: Timeline): Map<string, number> {
  const found = new Map(stages.map(({ name }) => [name, ms]));
  for (const { component, phase, from } of spans) if (phase === 'ready') found.set(component, from);
  return found;
}

function startTimes({ spans }: Timeline): Map<string, number> {
  const found = new Map<string, number>();
  for (const { component, phase, from, to } of spans)
    if (phase === 'starting') found.set(component, (found.get(component) ?? 0) + to - from);
  return found;
}
