import type { Asset, ReleaseArch } from './assets.ts';

const host = 'github.com';

/** A file of a release on GitHub. The server redirects to an address that is valid for minutes only. */
function asset(
  repository: string,
  file: string,
  { checksums, ...rest }: Omit<Asset, 'host' | 'path'>,
): Asset {
  const release = `${repository}/releases/download/v${rest.version}`;
  return {
    ...rest,
    host,
    path: `${release}/${file}`,
    checksums: checksums.map((name) => `${release}/${name}`),
  };
}

/** Checksums of all files in SHA256SUMS. etcdutl exists since 3.5. */
export function etcdAsset(version: string, arch: ReleaseArch): Asset {
  const top = `etcd-v${version}-linux-${arch}`;
  return asset('etcd-io/etcd', `${top}.tar.gz`, {
    name: 'etcd',
    version,
    arch,
    checksums: ['SHA256SUMS'],
    folder: `etcd-${version}-${arch}`,
    contents: { etcd: `${top}/etcd`, etcdctl: `${top}/etcdctl` },
    optional: { etcdutl: `${top}/etcdutl` },
  });
}

/** The static build, which runs with every libc: the other one needs glibc 2.35 (containerd 2.1). */
export function containerdAsset(version: string, arch: ReleaseArch): Asset {
  const file = `containerd-static-${version}-linux-${arch}.tar.gz`;
  return asset('containerd/containerd', file, {
    name: 'containerd',
    version,
    arch,
    checksums: [`${file}.sha256sum`],
    folder: `containerd-${version}-${arch}`,
    contents: {
      containerd: 'bin/containerd',
      'containerd-shim-runc-v2': 'bin/containerd-shim-runc-v2',
      ctr: 'bin/ctr',
    },
  });
}

/** A static program. Checksums of all files in runc.sha256sum, which is a PGP clear-signed text. */
export function runcAsset(version: string, arch: ReleaseArch): Asset {
  return asset('opencontainers/runc', `runc.${arch}`, {
    name: 'runc',
    version,
    arch,
    checksums: ['runc.sha256sum'],
    folder: `runc-${version}-${arch}`,
  });
}

function plugins(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`cni/${name}`, name]));
}

/** Static programs at the top level of the archive. */
export function cniAsset(version: string, arch: ReleaseArch): Asset {
  const file = `cni-plugins-linux-${arch}-v${version}.tgz`;
  return asset('containernetworking/plugins', file, {
    name: 'cni',
    version,
    arch,
    checksums: [`${file}.sha256`, `${file}.sha512`],
    folder: `cni-${version}-${arch}`,
    contents: plugins(['bridge', 'host-local', 'loopback', 'portmap']),
    // For networks of your own.
    optional: plugins(
      'bandwidth dhcp dummy firewall host-device ipvlan macvlan ptp sbr static tap tuning vlan vrf'.split(
        ' ',
      ),
    ),
  });
}

/** A static program, alone in its archive. */
export function corednsAsset(version: string, arch: ReleaseArch): Asset {
  const file = `coredns_${version}_linux_${arch}.tgz`;
  return asset('coredns/coredns', file, {
    name: 'coredns',
    version,
    arch,
    checksums: [`${file}.sha256`],
    folder: `coredns-${version}-${arch}`,
    contents: { coredns: 'coredns' },
  });
}

/** The version whose checksum is pinned; there is no other one to check it with. */
const catatonitVersion = '0.2.1';

/**
 * The program of the pause image, static. Its releases have no checksums: amd64 is pinned, arm64 comes from Debian. A mirror with
 * builds of its own has a checksum beside it.
 */
export function catatonitAsset(arch: ReleaseArch): Asset {
  const file = `catatonit.${arch === 'amd64' ? 'x86_64' : 'aarch64'}`;
  return asset('openSUSE/catatonit', file, {
    name: 'catatonit',
    version: catatonitVersion,
    arch,
    checksums: [`${file}.sha256`],
    folder: `catatonit-${catatonitVersion}-${arch}`,
  });
}
