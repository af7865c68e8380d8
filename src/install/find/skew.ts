import { Failure } from '../../lib/errors.ts';
import type { FindResult } from './find.ts';
import { kubernetesBinaries } from './needs.ts';

type Versions = ReadonlyMap<string, string>;

/**
 * Whether the kubectl is that of PATH and more than one minor version away from the kube-apiserver (Kubernetes' version
 * skew policy): many machines have one for other clusters.
 */
export function isKubectlUnfit(versions: Versions, { found }: FindResult): boolean {
  const [api, kubectl] = [versions.get('kube-apiserver'), versions.get('kubectl')];
  if (api === undefined || kubectl === undefined || found.get('kubectl')?.from !== 'path') return false;
  return Math.abs(minorOf(api) - minorOf(kubectl)) > 1;
}

/**
 * Checks that no component is newer than the kube-apiserver (the same policy), and that all are of the version that was
 * asked for.
 *
 * @throws Failure `install` that names the file which does not fit.
 */
export function checkVersions(versions: Versions, { found }: FindResult, wanted: string | undefined): void {
  const api = versions.get('kube-apiserver');
  for (const name of kubernetesBinaries) {
    const version = versions.get(name);
    if (version === undefined) continue;
    const file = found.get(name)?.path ?? name;
    if (wanted !== undefined && !isOf(version, wanted)) {
      throw new Failure('install', `${file} is version ${version}, not ${wanted}`, {
        hint: `give a folder with the binaries of ${wanted} with --bin-dir, or do not ask for a version`,
      });
    }
    if (api !== undefined && minorOf(version) > minorOf(api)) {
      throw new Failure('install', `${file} is version ${version}, newer than the kube-apiserver ${api}`, {
        hint: `take it and ${found.get('kube-apiserver')?.path ?? 'the kube-apiserver'} from one release`,
      });
    }
  }
}

/** Whether 1.20.2 is what was asked for: 1.20, 1.20.2 or v1.20.2. */
export function isOf(version: string, wanted: string): boolean {
  return `${version}.`.startsWith(`${wanted.replace(/^v/, '')}.`);
}

/** 20 of 1.20.2; 0 when there is none. All of Kubernetes is 1.x. */
function minorOf(version: string): number {
  return Number(/^v?\d+\.(\d+)/.exec(version)?.[1] ?? 0);
}
