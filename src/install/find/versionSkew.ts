import { Failure } from '../../lib/errors.ts';
import { cannotPair, minorOf } from '../release/pairings.ts';
import { kubernetesBinaries, type BinarySpec } from './binaries.ts';
import type { FindResult } from './findBinaries.ts';
import { versionsOf } from './versions.ts';

/**
 * The binaries that come from PATH and cannot be used with the Kubernetes of the node: many machines have a kubectl for other
 * clusters, or a containerd for Docker. A kubectl may be one minor version away from the kube-apiserver (Kubernetes' version skew
 * policy); a missing kube-apiserver counts with the version that will be installed.
 */
export async function unfitFromPath(
  binaries: readonly BinarySpec[],
  result: FindResult,
  cacheFile: string,
  toInstall: string,
): Promise<string[]> {
  const fromPath = (name: string): boolean => result.found.get(name)?.from === 'path';
  const compared = ['kubectl', 'containerd'].filter(fromPath);
  const hasApi = binaries.some(({ name }) => name === 'kube-apiserver');
  if (compared.length === 0 || !hasApi) return [];
  const names = new Set([...compared, ...(result.found.has('kube-apiserver') ? ['kube-apiserver'] : [])]);
  const specs = binaries.filter(({ name }) => names.has(name));
  const versions = await versionsOf(specs, result, cacheFile);
  const kubernetes = versions.get('kube-apiserver') ?? toInstall;
  const kubectl = versions.get('kubectl');
  const containerd = versions.get('containerd');
  const isSkewed = kubectl !== undefined && Math.abs(minorOf(kubernetes) - minorOf(kubectl)) > 1;
  const isUnpaired = containerd !== undefined && cannotPair(kubernetes, containerd) !== undefined;
  return [
    ...(isSkewed ? ['kubectl'] : []),
    // Its programs are of one version.
    ...(isUnpaired ? ['containerd', 'containerd-shim-runc-v2', 'ctr'] : []),
  ];
}

/**
 * Checks that no component is newer than the kube-apiserver (the same policy), that all have the requested version, and that the
 * kubelet and containerd have a protocol in common.
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
  const containerd = versions.get('containerd');
  const kubelet = versions.get('kubelet');
  const problem = containerd && kubelet && cannotPair(kubelet, containerd);
  if (!problem) return;
  throw new Failure(
    'install',
    `${found.get('containerd')?.path ?? 'containerd'} cannot be used: ${problem}`,
    {
      hint: 'leave it out of --bin-dir, so that one that fits is installed, or use another version of Kubernetes',
    },
  );
}

/** Whether 1.20.2 is the requested version: 1.20, 1.20.2 or v1.20.2. */
export function isOf(version: string, requested: string): boolean {
  return `${version}.`.startsWith(`${requested.replace(/^v/, '')}.`);
}
