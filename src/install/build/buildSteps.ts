import { readdir, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { moveInto } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import type { BinarySpec } from '../find/binaries.ts';
import { versionOf } from '../find/versions.ts';
import type { InstallStep } from '../steps.ts';

/** A folder of binaries that are built once; a later build adds what is missing in it. */
export interface BinaryBuild {
  /** The final folder. Every binary in it is complete and checked. */
  readonly target: string;
  readonly binaries: readonly BinarySpec[];
  /** The version that each binary must print. */
  readonly version: string;
  /** The folder for the build; removed when the binaries are in place. */
  readonly work: string;
  /** The steps that build the binaries in `out`. */
  readonly build: (out: string) => readonly InstallStep[];
}

/** The steps that build the binaries, check the version of each, and move them into place, each atomically. */
export function buildSteps({ target, binaries, version, work, build }: BinaryBuild): InstallStep[] {
  const out = join(work, 'out');
  return [
    ...build(out),
    {
      label: 'Kubernetes check',
      async work(report) {
        for (const binary of binaries) {
          report(binary.name);
          const built = await versionOf(binary, join(out, binary.name));
          if (built === version) continue;
          throw new Failure('install', `${binary.name} as built is version ${built}, not ${version}`, {
            hint: `remove ${work} and try again`,
          });
        }
        report('clean up');
        // Before they are in place: later runs would not remove what an interrupted clean-up leaves.
        for (const name of await readdir(work)) {
          if (name !== basename(out))
            await rm(join(work, name), { recursive: true, force: true, maxRetries: 10 });
        }
        await moveInto(target, out);
        await rmdir(work);
      },
    },
  ];
}
