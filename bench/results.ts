import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { resolveBinaries } from '../src/supervisor/resolveBinaries.ts';
import { chart } from './chart.ts';
import { ours } from './competitors.ts';
import { packageFile } from '../src/lib/paths.ts';
import { options } from './node.ts';
import { criticalPath } from './nodeRows.ts';
import { withOthers } from './rows.ts';
import type { Row } from './rows.ts';
import type { Sample } from './session.ts';
import { tables } from './table.ts';

interface Measurements {
  readonly rows: readonly Row[];
  readonly samples: readonly Sample[];
  /** {@link cpuTimes} before the measurement. */
  readonly cpuBefore: CpuTimes;
  /** {@link commitOfSources}. */
  readonly commit: string;
  /** The folder with the results before. */
  readonly out: string;
}

/**
 * The tables of what was measured, and by name the files with tables, chart and raw values. Those have the other sections of the
 * results before, too, if they are of the same commit, of this machine, and with the same versions.
 */
export async function results({ rows, samples, cpuBefore, commit, out }: Measurements) {
  const { versions } = await resolveBinaries(options, (await loadNodeConfig(options)).node);
  const machine = {
    processors: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
  const earlier = readEarlier(out, { commit, machine, versions });
  const all = withOthers(rows, earlier?.rows ?? []);
  const stealPercent = Math.max(stealSince(cpuBefore), earlier?.stealPercent ?? 0);
  const about =
    `Commit ${commit}. Medians on ${machine.processors} processors (${machine.processor.trim()}), ` +
    `${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}; Kubernetes ${versions['kube-apiserver']}, ` +
    `etcd ${versions.etcd}, containerd ${versions.containerd}. Behind each section: how many values its medians are of. In brackets: times k8s-single's. ` +
    `Steal time: the hypervisor gave at most ${stealPercent.toFixed(1)} % of the requested processor time to other machines.`;
  const markdown = [
    '# Results of the benchmark',
    'Written by `npm run bench`; [NOTES.md](NOTES.md) explains how to read it.',
    about,
    '![The medians as bars](results.svg)',
    tables(all),
  ];
  // JSON has no Infinity: null stands for what did not happen in time.
  const raw = JSON.stringify(
    {
      commit,
      machine,
      versions,
      stealPercent,
      rows: all,
      samples: [...(earlier?.samples ?? []), ...samples],
    },
    undefined,
    1,
  );
  return {
    tables: tables(rows),
    files: {
      'RESULTS.md': markdown.join('\n\n'),
      'results.svg': chart(all.filter(isDrawn), { own: ours, computed: [criticalPath] }),
      'results.json': `${raw}\n`,
    },
  };
}

/** What `results.json` says of the state that was measured. */
interface MeasuredState {
  readonly commit: string;
  readonly machine: object;
  readonly versions: object;
}

/** What is read of `results.json`. */
interface EarlierResults extends MeasuredState {
  readonly stealPercent: number;
  readonly rows: readonly Row[];
  readonly samples: readonly Sample[];
}

/** The results in this folder, unless they are of another state. */
function readEarlier(folder: string, state: MeasuredState): EarlierResults | undefined {
  const path = join(folder, 'results.json');
  if (!existsSync(path) || state.commit.endsWith(withChanges)) return undefined;
  const text = readFileSync(path, 'utf8');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- this program has written it
  const found = JSON.parse(text, (_key, value: unknown) => value ?? Infinity) as EarlierResults;
  return textOf(found) === textOf(state) ? found : undefined;
}

function textOf({ commit, machine, versions }: MeasuredState): string {
  return JSON.stringify([commit, machine, versions]);
}

/** What is built and measured, but for the results. */
const sources = ['src', 'probes', 'bin', 'config', 'bench/*.ts', 'package-lock.json', 'rolldown.config.js'];

const withChanges = ', with changes';

/** The commit of these sources. Call it before the measurement. */
export function commitOfSources(): string {
  try {
    const isChanged = git('status', '--porcelain', '--', ...sources) !== '';
    return git('log', '-1', '--format=%h of %cs') + (isChanged ? withChanges : '');
  } catch {
    // No checkout, or that of another user.
    return 'unknown';
  }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', ['-C', packageFile('.'), ...args], { encoding: 'utf8' }).trim();
}

/** Draw only what compares us with others, in time. */
function isDrawn({ row, unit }: Row, _index: number, rows: readonly Row[]): boolean {
  const names = rows.filter((each) => each.row === row).map(({ competitor }) => competitor);
  return unit === 'ms' && new Set(names).size > 2;
}

/** Time of all processors since boot, in clock ticks. */
export interface CpuTimes {
  /** What programs and the kernel used, plus steal time. */
  readonly requested: number;
  /** What the hypervisor gave to other machines; 0 on bare metal. */
  readonly steal: number;
}

/** Fields of the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)). */
export function cpuTimes(): CpuTimes {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { requested: user + nice + system + irq + softirq + steal, steal };
}

/** Steal time since `before`, in % of the requested processor time. */
function stealSince(before: CpuTimes): number {
  const { requested, steal } = cpuTimes();
  return (100 * (steal - before.steal)) / Math.max(1, requested - before.requested);
}
