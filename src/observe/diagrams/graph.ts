import type { Edge, Event } from '../../engine/component.ts';
import { needNames } from '../state/stage.ts';
import type { Stage } from '../state/stage.ts';
import { criticalPathText, timelineOf } from './timeline.ts';
import type { Timeline } from './timeline.ts';

/** A graph, ready to be drawn. */
export interface Drawing {
  /** Each after all it needs. */
  readonly stages: readonly Stage[];
  /** From start to ready, in ms, by name; nothing before a boot. */
  readonly times: ReadonlyMap<string, number>;
  /** For each that needs something, the one that it waits for longest. */
  readonly parents: ReadonlyMap<string, string>;
  /** The chain that decides how long a boot takes, from its first; without a boot the one with the most components. */
  readonly path: readonly string[];
  /** The chain in words, and how long the boot took. */
  readonly caption: string;
}

/** `stages`: each after all it needs. `events`: of a boot, if there was one. */
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
    const parent = last(needNames(stage));
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

/** Whether the edge is a part of the critical path. */
export function isCritical({ path, parents }: Drawing, from: string, to: string): boolean {
  return parents.get(to) === from && path.includes(to);
}

/** What is unusual about an edge, in words; empty for one that waits for `ready` and is kept. */
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

/** How many components are in the longest chain that ends with each. */
function depths(stages: readonly Stage[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const stage of stages)
    found.set(stage.name, 1 + Math.max(0, ...needNames(stage).map((need) => found.get(need)!)));
  return found;
}

/** When each became ready, in ms since the boot began; of those that did not, later than all others. */
function readyTimes(stages: readonly Stage[], { spans, ms }: Timeline): Map<string, number> {
  const found = new Map(stages.map(({ name }) => [name, ms]));
  for (const { component, is, from } of spans) if (is === 'ready') found.set(component, from);
  return found;
}

function startTimes({ spans }: Timeline): Map<string, number> {
  const found = new Map<string, number>();
  for (const { component, is, from, to } of spans)
    if (is === 'starting') found.set(component, (found.get(component) ?? 0) + to - from);
  return found;
}
