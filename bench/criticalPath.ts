import { needNames } from '../src/report/stage.ts';
import type { Stage } from '../src/report/stage.ts';

/**
 * When each stage would be ready if nothing but the stages took time: its own time after that of the need which is ready
 * last. `own`: from start to ready, in ms, by name; a stage without a time takes none.
 */
export function idealTimes(stages: readonly Stage[], own: ReadonlyMap<string, number>): Map<string, number> {
  const needs = new Map(stages.map((stage) => [stage.name, needNames(stage)]));
  const found = new Map<string, number>();
  const timeOf = (name: string): number => {
    const known = found.get(name);
    if (known !== undefined) return known;
    const time = Math.max(0, ...(needs.get(name) ?? []).map(timeOf)) + (own.get(name) ?? 0);
    found.set(name, time);
    return time;
  };
  for (const { name } of stages) timeOf(name);
  return found;
}
