import { cpus, release, totalmem } from 'node:os';
import { loadNodeConfig } from '../src/supervisor/options.ts';
import { resolveBinaries } from '../src/supervisor/resolveBinaries.ts';
import { chart } from './chart.ts';
import { ours } from './contestants.ts';
import { criticalPath } from './nodeRows.ts';
import { options } from './place.ts';
import type { Row } from './row.ts';
import type { Sample } from './session.ts';
import { tables } from './table.ts';

interface Measured {
  readonly rows: readonly Row[];
  readonly samples: readonly Sample[];
  readonly rounds: number;
  /** What the host kept of the processor time, in %. */
  readonly stolen: number;
}

/** The tables, and the files with the tables, the picture and all that was measured, by name. */
export async function results({ rows, samples, rounds, stolen }: Measured) {
  const { versions } = await resolveBinaries(options, (await loadNodeConfig(options)).node);
  const machine = {
    processors: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
  const shown = tables(rows);
  const about =
    `Medians of ${rounds} rounds on ${machine.processors} processors (${machine.processor.trim()}), ` +
    `${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node.js ${machine.node}; Kubernetes ${versions['kube-apiserver']}, ` +
    `etcd ${versions.etcd}, containerd ${versions.containerd}. In brackets: times k8s-single's. ` +
    `Of the processor time that was wanted meanwhile, the machine's host gave ${stolen.toFixed(1)} % to others.`;
  const markdown = [
    '# Results of the benchmark',
    'Written by `npm run bench`; [NOTES.md](NOTES.md) says how to read it.',
    about,
    '![The medians as bars](results.svg)',
    shown,
  ];
  // JSON has no Infinity: null is what never came.
  const raw = JSON.stringify({ machine, versions, rounds, stolen, rows, samples }, undefined, 1);
  return {
    tables: shown,
    files: {
      'RESULTS.md': markdown.join('\n\n'),
      'results.svg': chart(rows.filter(isDrawn), { own: ours, computed: [criticalPath] }),
      'results.json': `${raw}\n`,
    },
  };
}

/** A single bar compares nothing. */
function isDrawn({ row, unit }: Row, _index: number, rows: readonly Row[]): boolean {
  const contestants = rows.filter((each) => each.row === row).map(({ contestant }) => contestant);
  return unit === 'ms' && new Set(contestants).size > 2;
}
