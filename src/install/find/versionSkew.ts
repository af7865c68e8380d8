import { Failure } from '../../lib/errors.ts';
import { kubernetesBinaries, type BinarySpec } from './binaries.ts';
import { debianKubernetes } from './cacheLayout.ts';
import type { FindResult } from './findBinaries.ts';
import { versionsOf } from './versions.ts';

/**
 * Whether the kubectl comes from PATH and is more than one minor version away from the kube-apiserver (Kubernetes' version
 * skew policy): many machines have one for other clusters. A missing kube-apiserver counts with the version that will be built.
 */
export async function isKubectlUnfit(
  binaries: readonly BinarySpec[],
  result: FindResult,
  cacheFile: string,
): Promise<boolean> {
  if (result.found.get('kubectl')?.from !== 'path') return false;
  const api = binaries.find(({ name }) => name === 'kube-apiserver');
  if (api === undefined) return false;
  const compared = binaries.filter(
    (each) => each.name === 'kubectl' || (each === api && result.found.has(api.name)),
  );
  const versions = await versionsOf(compared, result, cacheFile);
  const minor = (name: string): number => minorOf(versions.get(name) ?? debianKubernetes);
  return Math.abs(minor('kube-apiserver') - minor('kubectl')) > 1;
}

/**
 * Checks that no component is newer than the kube-apiserver (the same policy), and that all have the requested version.
 *
 * @throws Failure `install` that names the file which does not fit.
 */
export function checkVersions(
  versions: ReadonlyMap<string, string>,
  { found }: FindResult,
  requested: string | undefined,
): void {
  const api = versions.get('kube-apiserver');
  for (const name of kubernetesBinaries) {
    const version = versions.get(name);
    if (version === undefined) continue;
    const file = found.get(name)?.path ?? name;
    if (requested !== undefined && !isOf(version, requested)) {
      throw new Failure('install', `${file} is version ${version}, not ${requested}`, {
        hint: `give a folder with the binaries of ${requested} with --bin-dir, or do not ask for a version`,
      });
    }
    if (api !== undefined && minorOf(version) > minorOf(api)) {
      throw new Failure('install', `${file} is version ${version}, newer than the kube-apiserver ${api}`, {
        hint: `take it and ${found.get('kube-apiserver')?.path ?? 'the kube-apiserver'} from one release`,
      });
    }
  }
}

/** Whether 1.20.2 is the requested version: 1.20, 1.20.2 or v1.20.2. */
export function isOf(version: string, requested: string): boolean {
  return `${version}.`.startsWith(`${requested.replace(/^v/, '')}.`);
}

/** 20 for 1.20.2; 0 when there is none. All of Kubernetes is 1.x. */
function minorOf(version: string): number {
  return Number(/^v?\d+\.(\d+)/.exec(version)?.[1] ?? 0);
}
