import type { IdealBoot } from './criticalPath.ts';
import { load } from './load.ts';
import { median } from './rows.ts';
import type { Row } from './rows.ts';
import type { Sample } from './session.ts';

/** The name of the computed bound in the tables. */
export const criticalPath = 'critical path';

interface Names {
  /** In the order of the columns. */
  readonly competitors: readonly string[];
  readonly ours: string;
  /** The goals are relative to these two. */
  readonly script: string;
  readonly supervisord: string;
}

const milestones = [
  ['apiserver', 'API server ready'],
  ['node', 'node Ready'],
  ['pod', 'first pod Ready'],
] as const;

/** The rows of the samples of whole nodes. */
export function nodeRows(samples: readonly Sample[], names: Names): Row[] {
  const byCompetitor = names.competitors.map((name) =>
    samples.filter(({ competitor }) => competitor === name),
  );
  const rowsOf = (
    row: string,
    unit: string,
    value: (sample: Sample) => number | undefined,
    goal?: number,
  ): Row[] =>
    byCompetitor.flatMap((own) => {
      const values = own.map(value).filter((each) => each !== undefined);
      if (values.length === 0) return [];
      return [{ row, competitor: own[0]!.competitor, unit, values, ...(goal !== undefined && { goal }) }];
    });
  const boots = (section: 'cold' | 'warm'): Row[] =>
    milestones.flatMap(([key, what]) => {
      const row = `${section}: ${what}`;
      const measured = rowsOf(row, 'ms', (sample) => sample[section]?.[key]);
      const values = samples
        .filter(({ competitor }) => competitor === names.ours)
        .flatMap((sample) => sample[section]?.ideal?.[key] ?? []);
      const bound = values.length === 0 ? [] : [{ row, competitor: criticalPath, unit: 'ms', values }];
      return measured.slice(0, 1).concat(bound, measured.slice(1));
    });
  const added = (what: string, unit: string, value: (ideal: IdealBoot) => number, goal?: number): Row[] =>
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
    ...loadRows(rowsOf),
    ...goals(samples, names),
  ];
}

type RowsOf = (row: string, unit: string, value: (sample: Sample) => number | undefined) => Row[];

function loadRows(rowsOf: RowsOf): Row[] {
  return [
    ...rowsOf(`load: ${load.configMaps} ConfigMaps made`, 'ms', (sample) => sample.load?.configMaps),
    ...rowsOf(`load: ${load.services} Services made`, 'ms', (sample) => sample.load?.services),
    ...rowsOf(`load: a Deployment of ${load.pods} pods ready`, 'ms', (sample) => sample.load?.pods),
    ...rowsOf('load: processor time of the node meanwhile', 'ms', (sample) => sample.load?.cpu),
  ];
}

/** Our medians of a cold start, divided by theirs. */
function goals(samples: readonly Sample[], { ours, script, supervisord }: Names): Row[] {
  const medianOf = (name: string, key: 'node' | 'pod'): number =>
    median(samples.flatMap(({ competitor, cold }) => (cold && competitor === name ? [cold[key]] : [])));
  const ratio = (what: string, key: 'node' | 'pod', name: string, goal: number): Row => ({
    row: `goals: ${what} by that of ${name}`,
    competitor: ours,
    unit: '',
    values: [medianOf(ours, key) / medianOf(name, key)],
    goal,
  });
  return [
    ratio('first pod Ready', 'pod', script, 0.4),
    ratio('first pod Ready', 'pod', supervisord, 0.8),
    ratio('node Ready', 'node', supervisord, 1),
  ].filter(({ values: [value] }) => !Number.isNaN(value));
}
