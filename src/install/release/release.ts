import { join } from 'node:path';
import { Failure } from '../../lib/errors.ts';
import type { BinarySpec } from '../find/binaries.ts';
import { releasesDir } from '../find/cacheLayout.ts';
import type { Asset, ReleaseArch } from './assets.ts';
import { hasOwnBuilds, pinOf } from './assets.ts';
import { catatonitAsset, cniAsset, containerdAsset, corednsAsset, etcdAsset, runcAsset } from './github.ts';
import { kubernetesAsset, kubernetesHost, markerPath } from './kubernetes.ts';
import { defaultRelease, minorOf, pairingOf } from './pairings.ts';
import type { Repository } from './repository.ts';

/** `1.36.4`, and pre-releases such as `1.37.0-rc.1`. */
export const exactVersion = /^1\.\d+\.\d+(-(alpha|beta|rc)\.\d+)?$/;

/**
 * The official release that has a binary, for this version of Kubernetes. Undefined when none has it.
 * @throws Failure `install` when the version is not one that we can pair
 */
function assetOf(binary: BinarySpec, kubernetes: string, arch: ReleaseArch): Asset | undefined {
  const { etcd, containerd, runc, cni, coredns } = pairingOf(kubernetes);
  switch (binary.release) {
    case 'kubernetes':
      return kubernetesAsset(binary.name, kubernetes, arch);
    case 'etcd':
      return etcdAsset(etcd, arch);
    case 'containerd':
      return containerdAsset(containerd, arch);
    case 'runc':
      return runcAsset(runc, arch);
    case 'cni':
      return cniAsset(cni, arch);
    case 'coredns':
      return corednsAsset(coredns, arch);
    case 'catatonit': {
      const asset = catatonitAsset(arch);
      return pinOf(asset) === undefined && !hasOwnBuilds() ? undefined : asset;
    }
    case undefined:
    default:
      return undefined;
  }
}

/** What to fetch for these binaries, each asset once, and the binaries that no release has. */
export function assetsOf(
  binaries: readonly BinarySpec[],
  kubernetes: string,
  arch: ReleaseArch,
): { readonly assets: readonly Asset[]; readonly unpublished: readonly BinarySpec[] } {
  const assets = new Map<string, Asset>();
  const unpublished: BinarySpec[] = [];
  for (const binary of binaries) {
    const asset = assetOf(binary, kubernetes, arch);
    if (asset === undefined) unpublished.push(binary);
    else assets.set(asset.path, asset);
  }
  return { assets: [...assets.values()], unpublished };
}

/** The folders of the cache with the releases for this version, which may not exist yet. */
export function releaseDirs(cacheDir: string, kubernetes: string, arch: ReleaseArch): string[] {
  const { etcd, containerd, runc, cni, coredns } = pairingOf(kubernetes);
  const assets = [
    kubernetesAsset('kubelet', kubernetes, arch),
    etcdAsset(etcd, arch),
    containerdAsset(containerd, arch),
    runcAsset(runc, arch),
    cniAsset(cni, arch),
    corednsAsset(coredns, arch),
    catatonitAsset(arch),
  ];
  return assets.map(({ folder }) => join(releasesDir(cacheDir), folder));
}

/**
 * The exact version that a request means: `stable` and `latest` as the publisher says, a minor version as its newest patch, and
 * without a request the one that this program was tested with.
 * @throws Failure `install` when there is none, or none that we can pair
 */
export async function resolveRelease(
  request: string | undefined,
  repository: Repository,
  signal: AbortSignal,
): Promise<string> {
  if (request === undefined) return defaultRelease;
  const isMarker = request === 'stable' || request === 'latest';
  if (!isMarker) pairingOf(request);
  if (exactVersion.test(request)) return request;
  const path = markerPath(request);
  const text = await repository.text(kubernetesHost, path, signal);
  // A mirror may have no such file.
  if (text === undefined && !isMarker) return pairingOf(request).kubernetes;
  const version = text?.trim().replace(/^v/, '') ?? '';
  const fits = isMarker || minorOf(version) === minorOf(request);
  if (exactVersion.test(version) && fits) {
    pairingOf(version);
    return version;
  }
  const where = repository.where(kubernetesHost, path);
  const problem = text === undefined ? `there is no ${where}` : `${where} is no version of Kubernetes`;
  throw new Failure('install', `${repository.name} does not say what Kubernetes ${request} is: ${problem}`, {
    hint: `ask for a version, such as --kubernetes ${defaultRelease}. ${repository.hint}`,
  });
}
