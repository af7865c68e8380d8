import type { Ideal } from './ideal.ts';
import type { Row } from './row.ts';
import type { Sample } from './session.ts';
import { median } from './statistics.ts';

/** The name under which the computed bound is shown. */
export const criticalPath = 'critical path';

interface Names {
  /** In the order of the columns. */
  readonly contestants: readonly string[];
  readonly ours: string;
  /** What the goals are measured against. */
  readonly script: string;
  readonly supervisord: string;
}

const milestones = [
  ['apiserver', 'API server ready'],
  ['node', 'node Ready'],
  ['pod', 'first pod Ready'],
] as const;

/** The rows of what was measured of whole nodes. */
export function nodeRows(samples: readonly Sample[], names: Names): Row[] {
  const byContestant = names.contestants.map((name) =>
    samples.filter(({ contestant }) => contestant === name),
  );
  const rowsOf = (
    row: string,
    unit: string,
    value: (sample: Sample) => number | undefined,
    goal?: number,
  ): Row[] =>
    byContestant.flatMap((own) => {
      const values = own.map(value).filter((each) => each !== undefined);
      if (values.length === 0) return [];
      return [{ row, contestant: own[0]!.contestant, unit, values, ...(goal !== undefined && { goal }) }];
    });
  const boots = (section: 'cold' | 'warm'): Row[] =>
    milestones.flatMap(([key, what]) => {
      const row = `${section}: ${what}`;
      const seen = rowsOf(row, 'ms', (sample) => sample[section]?.[key]);
      const values = samples
        .filter(({ contestant }) => contestant === names.ours)
        .flatMap((sample) => sample[section]?.ideal?.[key] ?? []);
      const bound = values.length === 0 ? [] : [{ row, contestant: criticalPath, unit: 'ms', values }];
      return seen.slice(0, 1).concat(bound, seen.slice(1));
    });
  const added = (what: string, unit: string, value: (ideal: Ideal) => number, goal?: number): Row[] =>
    rowsOf(`cold: ${what}`, unit, ({ cold }) => cold?.ideal && value(cold.ideal), goal);
  const victims = [...new Set(samples.flatMap(({ recovery }) => Object.keys(recovery ?? {})))];
  const recovery = victims.flatMap((victim) =>
    rowsOf(`kill -9: of ${victim}, until all is ready again`, 'ms', (sample) =>
      sample.restarts ? sample.recovery?.[victim] : Infinity,
    ),
  );
  return [
    ...boots('cold'),
    ...rowsOf('cold: processes that ended meanwhile', '', ({ cold }) => cold?.failedSpawns, 0),
    ...rowsOf('cold: until the first process of the node starts', 'ms', ({ cold }) => cold?.firstProcess),
    ...rowsOf(
      'cold: first pod Ready, from then on',
      'ms',
      ({ cold }) => cold && cold.pod - cold.firstProcess,
    ),
    ...added('added to the critical path', 'ms', ({ overhead }) => overhead, 150),
    ...added(
      'the same, of the whole boot',
      '%',
      ({ overhead, all }) => (overhead / (all + overhead)) * 100,
      3,
    ),
    ...added('the same, from the first component on', 'ms', ({ engine }) => engine),
    ...boots('warm'),
    ...rowsOf('down: until all is gone', 'ms', ({ down }) => down),
    ...recovery,
    ...goals(samples, names),
  ];
}

/** The medians of the first pod, ours by theirs. */
function goals(samples: readonly Sample[], { ours, script, supervisord }: Names): Row[] {
  const of = (name: string, key: 'node' | 'pod'): number =>
    median(samples.flatMap(({ contestant, cold }) => (cold && contestant === name ? [cold[key]] : [])));
  const ratio = (what: string, key: 'node' | 'pod', name: string, goal: number): Row => ({
    row: `goals: ${what} by that of ${name}`,
    contestant: ours,
    unit: '',
    values: [of(ours, key) / of(name, key)],
    goal,
  });
  return [
    ratio('first pod Ready', 'pod', script, 0.4),
    ratio('first pod Ready', 'pod', supervisord, 0.8),
    ratio('node Ready', 'node', supervisord, 1),
  ].filter(({ values: [value] }) => !Number.isNaN(value));
}
