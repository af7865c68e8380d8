import type { IdealBoot } from './criticalPath.ts';
import { load } from './load.ts';
import type { Row } from './rows.ts';
import type { Sample } from './session.ts';

/** The name of the computed bound in the tables. */
export const criticalPath = 'critical path';

interface Names {
  /** In the order of the columns. */
  readonly competitors: readonly string[];
  readonly ours: string;
  /** The goals are relative to it. The sleep script is no measure: its ten seconds are the same on every machine. */
  readonly supervisord: string;
}

/** With the most that each may be of supervisord's in a cold start. */
const milestones = [
  ['apiserver', 'API server ready', undefined],
  ['node', 'node Ready', 1],
  ['pod', 'first pod Ready', 0.8],
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
    goal?: Row['goal'],
  ): Row[] =>
    byCompetitor.flatMap((own) => {
      const values = own.map(value).filter((each) => each !== undefined);
      if (values.length === 0) return [];
      return [{ row, competitor: own[0]!.competitor, unit, values, ...(goal !== undefined && { goal }) }];
    });
  const boots = (section: 'cold' | 'warm'): Row[] =>
    milestones.flatMap(([key, what, times]) => {
      const row = `${section}: ${what}`;
      const goal = section === 'warm' || times === undefined ? undefined : { times, of: names.supervisord };
      const measured = rowsOf(row, 'ms', (sample) => sample[section]?.[key], goal);
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
    rowsOf(`${victim}, until all is ready again`, 'ms', (sample) =>
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
    ...added('added to the critical path', 'ms', ({ overhead }) => overhead),
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
