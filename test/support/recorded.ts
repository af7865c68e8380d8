import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a component knows in each of its versions. Flags that are deprecated and therefore hidden in its help are missing. */
interface Recorded {
  readonly component: string;
  /** Where the names of each minor version are from. */
  readonly sources: Readonly<Record<string, string>>;
  /** The minor versions that know each name, as ranges: "1.20-1.26 1.31". */
  readonly flags: Readonly<Record<string, string>>;
}

/** The components whose command lines are checked. */
export const recordedComponents = [
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
  'etcd',
] as const;

/** The minor versions of Kubernetes that are recorded: 20 for 1.20. */
export const minors: readonly number[] = Array.from({ length: 18 }, (_, index) => 20 + index);

type RecordedName = (typeof recordedComponents)[number] | 'kubelet-configuration';

/** The names that this minor version, like "1.20", knows. */
export function recorded(name: RecordedName, version: string): ReadonlySet<string> {
  const file = join(import.meta.dirname, `../kubernetes/flags/${name}.json`);
  const { sources, flags } = (files[name] ??= read(file));
  if (sources[version] === undefined) throw new Error(`${file} has no ${version}`);
  return new Set(
    Object.entries(flags)
      .filter(([, ranges]) => ranges.split(' ').some((range) => isIn(range, minorOf(version))))
      .map(([flag]) => flag),
  );
}

const files: Partial<Record<RecordedName, Recorded>> = {};

function read(file: string): Recorded {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a file of this tree
  return JSON.parse(readFileSync(file, 'utf8')) as Recorded;
}

function isIn(range: string, minor: number): boolean {
  const [first, last = first] = range.split('-').map(minorOf);
  return first! <= minor && minor <= last!;
}

function minorOf(version: string): number {
  return Number(version.split('.')[1]);
}
