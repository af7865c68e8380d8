import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { resolveBinaries } from '../src/supervisor/resolveBinaries.ts';
import { chart } from './chart.ts';
import { ours } from './competitors.ts';
import { packageFile } from '../src/lib/paths.ts';
import { options } from './node.ts';
import { criticalPath } from './nodeRows.ts';
import type { Row } from './rows.ts';
import type { Sample } from './session.ts';
import { tables } from './table.ts';

interface Measurements {
  readonly rows: readonly Row[];
  readonly samples: readonly Sample[];
  readonly rounds: number;
  /** {@link cpuTimes} before the measurement. */
  readonly cpuBefore: CpuTimes;
  /** {@link commitOfSources}. */
  readonly commit: string;
}

/** The tables, and by name the files with tables, chart and raw values. */
export async function results({ rows, samples, rounds, cpuBefore, commit }: Measurements) {
  const stealPercent = stealSince(cpuBefore);
  const { versions } = await resolveBinaries(options, (await loadNodeConfig(options)).node);
  const machine = {
    processors: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
  const markdownTables = tables(rows);
  const about =
    `Commit ${commit}. Medians of ${rounds} rounds on ${machine.processors} processors (${machine.processor.trim()}), ` +
    `${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}; Kubernetes ${versions['kube-apiserver']}, ` +
    `etcd ${versions.etcd}, containerd ${versions.containerd}. In brackets: times k8s-single's. ` +
    `Steal time: the hypervisor gave ${stealPercent.toFixed(1)} % of the requested processor time to other machines.`;
  const markdown = [
    '# Results of the benchmark',
    'Written by `npm run bench`; [NOTES.md](NOTES.md) explains how to read it.',
    about,
    '![The medians as bars](results.svg)',
    markdownTables,
  ];
  // JSON has no Infinity: null stands for what did not happen in time.
  const raw = JSON.stringify(
    { commit, machine, versions, rounds, stealPercent, rows, samples },
    undefined,
    1,
  );
  return {
    tables: markdownTables,
    files: {
      'RESULTS.md': markdown.join('\n\n'),
      'results.svg': chart(rows.filter(isDrawn), { own: ours, computed: [criticalPath] }),
      'results.json': `${raw}\n`,
    },
  };
}

/** What is built and measured, but for the results. */
const sources = ['src', 'probes', 'bin', 'config', 'bench/*.ts', 'package-lock.json', 'rolldown.config.js'];

/** The commit of these sources. Call it before the measurement. */
export function commitOfSources(): string {
  try {
    const isChanged = git('status', '--porcelain', '--', ...sources) !== '';
    return git('log', '-1', '--format=%h of %cs') + (isChanged ? ', with changes' : '');
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
