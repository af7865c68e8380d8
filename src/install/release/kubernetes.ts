import type { Asset, ReleaseArch } from './assets.ts';

/** Kubernetes' own server (kubernetes/release, pkg/release). It redirects to a content delivery network. */
export const kubernetesHost = 'dl.k8s.io';

/** A single program of Kubernetes. Its .sha256 and .sha512 are a bare digest; SHA256SUMS lists the whole release. */
export function kubernetesAsset(name: string, version: string, arch: ReleaseArch): Asset {
  const release = `release/v${version}`;
  const path = `${release}/bin/linux/${arch}/${name}`;
  return {
    name,
    version,
    arch,
    host: kubernetesHost,
    path,
    checksums: [`${path}.sha256`, `${path}.sha512`, `${release}/SHA256SUMS`],
    folder: `kubernetes-${version}-${arch}`,
  };
}

/** The path of the file that says what `stable`, `latest` or the newest patch of a minor is: one line, `v1.36.4`. */
export function markerPath(request: string): string {
  return `release/${request === 'stable' || request === 'latest' ? request : `stable-${request}`}.txt`;
}
