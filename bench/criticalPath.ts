import { edgeOf } from '../src/engine/component.ts';
import type { Stage } from '../src/observe/state/state.ts';

/**
 * When each stage would be ready if nothing but the stages took time: its own time after that of the need which lets it start
 * last. `own`: from start to ready, in ms, by name; a stage without a time takes none.
 */
export function idealTimes(stages: readonly Stage[], own: ReadonlyMap<string, number>): Map<string, number> {
  const needs = new Map(stages.map((stage) => [stage.name, stage.needs.map(edgeOf)]));
  const found = new Map<string, number>();
  const started = (name: string): number =>
    Math.max(
      0,
      ...(needs.get(name) ?? []).map(({ on, condition }) =>
        condition === 'started' ? started(on) : ready(on),
      ),
    );
  const ready = (name: string): number => {
    const time = found.get(name) ?? started(name) + (own.get(name) ?? 0);
    found.set(name, time);
    return time;
  };
  for (const { name } of stages) ready(name);
  return found;
}
