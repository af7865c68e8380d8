/**
 * What is different between the versions of the programs that a node runs.
 *
 * Covers Kubernetes 1.20 to 1.37, etcd 3.4 to 3.7 and containerd 1.4 to 2.4. Components read their answers here and compare no
 * version themselves. Each field names its source, a path or a pull request of kubernetes/kubernetes (kk), etcd-io/etcd or
 * containerd/containerd. Where a program's `--help` has the answer it is asked instead ({@link kubeletRuntime}): a distribution may
 * patch a program. Which versions can be used together is decided when the binaries are found (src/install).
 *
 * The same in all versions, and therefore not here: the flags of the API server with which it signs and checks the tokens of
 * ServiceAccounts (`--service-account-issuer` and both key files, required since 1.20); the group and version of
 * KubeletConfiguration, v1beta1; `--proxy-mode`, which is always given because its default becomes nftables in 1.40 (KEP-5343); CNI
 * configurations of version 0.4.0, which every containerd and every plugin reads. The scheduler has no config file: those have no
 * version in common (v1beta1 up to 1.22, v1 since 1.25).
 */
export interface Differences {
  readonly kubernetes: KubernetesDifferences;
  readonly etcd: EtcdDifferences;
  readonly containerd: ContainerdDifferences;
}

interface KubernetesDifferences {
  /**
   * The ports of the controller manager and the scheduler, and whether they serve TLS. Up to 1.21 both also serve plain HTTP
   * (`--port`). It does nothing from 1.22 on in the controller manager (kk 96216), from 1.23 on in the scheduler (kk 96345), and is
   * removed in 1.24 (kk 106860).
   */
  readonly controllers: {
    readonly tls: boolean;
    readonly controllerManagerPort: number;
    readonly schedulerPort: number;
  };
  /** The scheduler's path that tells whether it is ready, and the one that tells whether it lives: both `healthz` up to 1.30 (kk 118148). */
  readonly schedulerHealth: { readonly ready: string; readonly live: string };
  /**
   * What a pod needs besides its ServiceAccount. Up to 1.20 the token in the account's Secret; since 1.21 the token is projected
   * (BoundServiceAccountTokenVolume, pkg/features/kube_features.go), and it is the ConfigMap kube-root-ca.crt.
   */
  readonly podsNeed: 'tokenSecret' | 'rootCa';
  /** The API version of discovery.k8s.io, of EndpointSlices: v1 exists since 1.21 (CHANGELOG-1.21). */
  readonly discovery: 'v1beta1' | 'v1';
  /** Fields of KubeletConfiguration beyond those that all versions know. A field that a version does not know is ignored with a warning. */
  readonly kubeletConfiguration: Readonly<Record<string, string | boolean>>;
}

interface EtcdDifferences {
  /**
   * The flags for an interval between reports of a watch's progress, as kubeadm sets it (cmd/kubeadm/app/phases/etcd/local.go): the
   * watches of the API server know a current revision even if nothing changes. The default is 10 minutes, more than the five after which
   * the API server compacts. `--experimental-` since 3.4.11; without that since 3.6; the old name is removed in 3.7 (CHANGELOG-3.7).
   */
  readonly watchProgress: Readonly<Record<string, string>>;
  /**
   * The flag with which etcd reads its whole database before it serves, and refuses one that is not consistent. Since 3.6 a feature gate
   * (server/features/etcd_features.go); the old name is removed in 3.7.
   */
  readonly corruptCheck: Readonly<Record<string, string | boolean>>;
  /**
   * The flag that turns fsync off, if it is safe to use while the process lives: since 3.4.16 (etcd 12751) and 3.5. Not asked: the help
   * of 3.4 does not mention it.
   */
  readonly noFsync: Readonly<Record<string, boolean>>;
}

interface ContainerdDifferences {
  /**
   * The version of the config file: 2 since 1.3, 3 since 2.0 (docs/PLUGINS.md). containerd 2 reads version 2 as well, but converts it at
   * each start.
   */
  readonly configVersion: 2 | 3;
  /** The key for the folder of the CNI plugins. `bin_dir` is deprecated since 2.1, and to be removed (RELEASES.md). */
  readonly cniBinDirKey: 'bin_dir' | 'bin_dirs';
  /** Where CRI reads of mirrors and their certificates: in a folder of hosts.toml files since 1.5 (docs/hosts.md), else in its config. */
  readonly registriesIn: 'hosts' | 'config';
}

/** The versions as the programs print them, like 1.20.2. The newest if one is unknown: '', or not a version. */
export function differencesOf(versions: {
  readonly kubernetes: string;
  readonly etcd: string;
  readonly containerd: string;
}): Differences {
  return {
    kubernetes: ofKubernetes(since(versions.kubernetes)),
    etcd: ofEtcd(since(versions.etcd)),
    containerd: ofContainerd(since(versions.containerd)),
  };
}

function ofKubernetes(isSince: Since): KubernetesDifferences {
  const tls = isSince(1, 22);
  const hasSchedulerReadyz = isSince(1, 31);
  return {
    controllers: {
      tls,
      controllerManagerPort: tls ? 10257 : 10252,
      schedulerPort: tls ? 10259 : 10251,
    },
    schedulerHealth: hasSchedulerReadyz
      ? { ready: 'readyz', live: 'livez' }
      : { ready: 'healthz', live: 'healthz' },
    podsNeed: isSince(1, 21) ? 'rootCa' : 'tokenSecret',
    discovery: isSince(1, 21) ? 'v1' : 'v1beta1',
    kubeletConfiguration: {
      // Up to 1.25 readiness is reported only at the next periodic update (default 10 s): update every second
      // (pkg/kubelet/kubelet_node_status.go). That also changes the default interval of unchanged reports: set it to its usual 5 min.
      ...(!isSince(1, 26) && { nodeStatusUpdateFrequency: '1s', nodeStatusReportFrequency: '5m' }),
      // The field exists since 1.21, and profiling is on by default.
      ...(isSince(1, 21) && { enableProfilingHandler: false }),
      // The field exists since 1.31; from 1.35 on the kubelet refuses cgroup v1 by default (KEP-5573). Without effect on cgroup v2.
      ...(isSince(1, 31) && { failCgroupV1: false }),
    },
  };
}

function ofEtcd(isSince: Since): EtcdDifferences {
  const interval = '5s';
  return {
    watchProgress: isSince(3, 6)
      ? { 'watch-progress-notify-interval': interval }
      : isSince(3, 4, 11)
        ? { 'experimental-watch-progress-notify-interval': interval }
        : {},
    corruptCheck: isSince(3, 6)
      ? { 'feature-gates': 'InitialCorruptCheck=true' }
      : { 'experimental-initial-corrupt-check': true },
    noFsync: isSince(3, 4, 16) ? { 'unsafe-no-fsync': true } : {},
  };
}

function ofContainerd(isSince: Since): ContainerdDifferences {
  return {
    configVersion: isSince(2, 0) ? 3 : 2,
    cniBinDirKey: isSince(2, 1) ? 'bin_dirs' : 'bin_dir',
    registriesIn: isSince(1, 5) ? 'hosts' : 'config',
  };
}

/** Whether the version is this one or a later one. */
type Since = (...version: readonly number[]) => boolean;

function since(version: string): Since {
  const parts = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(version)?.slice(1) ?? [];
  return (...first) => {
    for (const [index, part] of first.entries()) {
      const own = Number(parts[index] ?? (parts.length === 0 ? Infinity : 0));
      if (own !== part) return own > part;
    }
    return true;
  };
}

/** What a kubelet is told of its container runtime: by flags or by fields of its config file. */
interface KubeletRuntime {
  readonly flags: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, string>>;
}

/**
 * The settings for the runtime at this endpoint (`unix://...`), by the flags that the kubelet knows.
 *
 * - `--container-runtime`: its default is docker up to 1.23; removed in 1.27 (kk 114017), which takes the endpoint from its config
 *   file.
 * - `--pod-infra-container-image`: which image not to remove when the disk is full (pkg/kubelet/images/image_gc_manager.go). Removed in
 *   1.35 (kk 133779): from then on only the CRI says which image is pinned, as containerd 2 does (containerd 7944, 9732).
 */
export function kubeletRuntime(
  known: ReadonlySet<string>,
  { endpoint, pauseImage }: { readonly endpoint: string; readonly pauseImage: string },
): KubeletRuntime {
  const protect: Record<string, string> = known.has('pod-infra-container-image')
    ? { 'pod-infra-container-image': pauseImage }
    : {};
  return known.has('container-runtime')
    ? {
        flags: { 'container-runtime': 'remote', 'container-runtime-endpoint': endpoint, ...protect },
        config: {},
      }
    : { flags: protect, config: { containerRuntimeEndpoint: endpoint } };
}
