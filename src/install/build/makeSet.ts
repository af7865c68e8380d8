import { link, mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import type { BinarySpec } from '../find/needs.ts';
import type { InstallStep } from '../stages.ts';
import { askVersion } from '../find/versions.ts';

/** A folder of binaries that is made once; what is missing in it later is added. */
export interface BinarySet {
  /** Where it will lie. What is there is whole and checked. */
  readonly target: string;
  readonly needs: readonly BinarySpec[];
  /** What each binary must answer. */
  readonly version: string;
  /** For the making; removed when the set is in place. */
  readonly work: string;
  /** Makes the binaries in `out`. */
  readonly make: (out: string) => readonly InstallStep[];
}

/** The stages that make the set, ask each binary for its version, and move the set into place in one step. */
export function makeSet({ target, needs, version, work, make }: BinarySet): InstallStep[] {
  const out = join(work, 'out');
  return [
    ...make(out),
    {
      label: 'Kubernetes check',
      async work(report) {
        for (const need of needs) {
          report(need.name);
          const answer = await askVersion(need, join(out, need.name));
          if (answer === version) continue;
          throw new Failure('install', `${need.name} as built says version ${answer}, not ${version}`, {
            hint: `remove ${work} and try again`,
          });
        }
        report('clean up');
        // Before it is in place: afterwards nobody would come back for what a kill left of it.
        for (const name of await readdir(work)) {
          if (name !== basename(out))
            await rm(join(work, name), { recursive: true, force: true, maxRetries: 10 });
        }
        await keepEarlier(target, out);
        await mkdir(dirname(target), { recursive: true });
        await rm(target, { recursive: true, force: true });
        await rename(out, target);
        await rmdir(work);
      },
    },
  ];
}

/** What the set has already goes on being part of it. */
async function keepEarlier(target: string, out: string): Promise<void> {
  const made = new Set(await readdir(out));
  const earlier = await readdir(target).catch(() => []);
  for (const name of earlier.filter((each) => !made.has(each)))
    await link(join(target, name), join(out, name));
}
