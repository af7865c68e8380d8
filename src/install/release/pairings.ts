import { Failure } from '../../lib/errors.ts';

/** What one minor version of Kubernetes runs with. */
export interface Pairing {
  /** The patch to take when the publisher's newest one is not asked for or not known. */
  readonly kubernetes: string;
  readonly etcd: string;
  readonly containerd: string;
  readonly runc: string;
  readonly cni: string;
  /** The newest CoreDNS that its API serves. */
  readonly coredns: string;
  /** The tag of registry.k8s.io/pause that kubeadm uses. */
  readonly pause: string;
  /** Why these. */
  readonly reason: string;
}

/** The last containerd 1.x: the only line besides 1.6 with CRI v1alpha2 and v1. With the runc of its release scripts. */
const containerd1 = { containerd: '1.7.34', runc: '1.3.6' } as const;
/** containerd's current long-term release: CRI v1 only. With the runc of its release scripts. */
const containerd2 = { containerd: '2.3.4', runc: '1.4.3' } as const;

/** etcd 3.5 without the corruption of 3.5.0 to 3.5.2, and new enough to go on to 3.6 (>= 3.5.26). */
const etcd35 = '3.5.33';
const etcd36 = '3.6.14';

/**
 * The versions for each minor, by the number after `1.`. pause and the CNI plugins are those of kubeadm and of Kubernetes'
 * build/dependencies.yaml, in the last patch of their line. One row each, because each was read and decided on its own.
 */
// oxfmt-ignore
const pairings: Readonly<Record<number, Pairing>> = {
  20: { kubernetes: '1.20.14', etcd: etcd35, ...containerd1, cni: '0.9.1', coredns: '1.10.1', pause: '3.2',
    reason: 'kubelet speaks CRI v1alpha2 only; no discovery/v1, which CoreDNS 1.11 needs' },
  21: { kubernetes: '1.21.13', etcd: etcd35, ...containerd1, cni: '0.9.1', coredns: '1.14.7', pause: '3.4.1',
    reason: 'kubelet speaks CRI v1alpha2 only; first with discovery/v1' },
  22: { kubernetes: '1.22.15', etcd: etcd35, ...containerd1, cni: '0.9.1', coredns: '1.14.7', pause: '3.5',
    reason: 'last kubelet with CRI v1alpha2 only' },
  23: { kubernetes: '1.23.16', etcd: etcd35, ...containerd1, cni: '1.0.1', coredns: '1.14.7', pause: '3.6',
    reason: 'speaks CRI v1, but was released before containerd 2 and tested with 1.x only' },
  24: { kubernetes: '1.24.15', etcd: etcd35, ...containerd1, cni: '1.1.1', coredns: '1.14.7', pause: '3.7',
    reason: 'as 1.23; RKE2 runs its last patch with containerd 1.7' },
  25: { kubernetes: '1.25.13', etcd: etcd35, ...containerd1, cni: '1.2.0', coredns: '1.14.7', pause: '3.8',
    reason: 'last kubelet with CRI v1alpha2; RKE2 runs its last patch with containerd 1.7' },
  26: { kubernetes: '1.26.13', etcd: etcd35, ...containerd1, cni: '1.3.0', coredns: '1.14.7', pause: '3.9',
    reason: 'first kubelet with CRI v1 only; RKE2 runs its last patch with containerd 1.7' },
  27: { kubernetes: '1.27.14', etcd: etcd35, ...containerd1, cni: '1.3.0', coredns: '1.14.7', pause: '3.9',
    reason: 'k0s and RKE2 run their last patch with containerd 1.7' },
  28: { kubernetes: '1.28.12', etcd: etcd35, ...containerd1, cni: '1.3.0', coredns: '1.14.7', pause: '3.9',
    reason: 'k0s and RKE2 run their last patch with containerd 1.7' },
  29: { kubernetes: '1.29.12', etcd: etcd35, ...containerd1, cni: '1.3.0', coredns: '1.14.7', pause: '3.9',
    reason: "containerd's support matrix: 1.7.11 or newer" },
  30: { kubernetes: '1.30.13', etcd: etcd35, ...containerd1, cni: '1.4.1', coredns: '1.14.7', pause: '3.9',
    reason: "containerd's support matrix: 1.7.13 or newer" },
  31: { kubernetes: '1.31.13', etcd: etcd35, ...containerd2, cni: '1.5.1', coredns: '1.14.7', pause: '3.10',
    reason: "containerd's support matrix has 2.x; RKE2 runs its last patch with 2.1" },
  32: { kubernetes: '1.32.11', etcd: etcd35, ...containerd2, cni: '1.6.2', coredns: '1.14.7', pause: '3.10',
    reason: "containerd's support matrix has 2.1 and newer; kubeadm uses etcd 3.5" },
  33: { kubernetes: '1.33.11', etcd: etcd35, ...containerd2, cni: '1.6.2', coredns: '1.14.7', pause: '3.10',
    reason: 'last minor that kubeadm runs with etcd 3.5' },
  34: { kubernetes: '1.34.11', etcd: etcd36, ...containerd2, cni: '1.7.1', coredns: '1.14.7', pause: '3.10.1',
    reason: 'first minor that kubeadm runs with etcd 3.6' },
  35: { kubernetes: '1.35.8', etcd: etcd36, ...containerd2, cni: '1.8.0', coredns: '1.14.7', pause: '3.10.1',
    reason: "kubeadm uses etcd 3.6; containerd's support matrix has 2.2 and newer" },
  36: { kubernetes: '1.36.4', etcd: etcd36, ...containerd2, cni: '1.9.1', coredns: '1.14.7', pause: '3.10.2',
    reason: "k0s runs it with containerd 2.3 and etcd 3.6.14" },
  37: { kubernetes: '1.37.1', etcd: etcd36, ...containerd2, cni: '1.9.1', coredns: '1.14.7', pause: '3.10.2',
    reason: 'an API server talks to etcd 3.6 as to 3.7, from which there is no way back' },
};

const minors = Object.keys(pairings).map(Number);
const [oldest, newest] = [Math.min(...minors), Math.max(...minors)];

/** The newest stable Kubernetes that this version of k8s-single was tested with: what is installed when no version is asked for. */
export const defaultRelease = pairings[36]!.kubernetes;

/**
 * What this version of Kubernetes (1.36, 1.36.2) runs with.
 * @throws Failure `install` when the table does not have its minor.
 */
export function pairingOf(version: string): Pairing {
  const minor = minorOf(version);
  const pairing = pairings[minor];
  if (pairing !== undefined && version.startsWith('1.')) return pairing;
  throw new Failure(
    'install',
    `this version of k8s-single does not know what Kubernetes ${version} runs with: it knows 1.${oldest} to 1.${newest}`,
    {
      hint:
        minor > newest
          ? `use --kubernetes 1.${newest}, or a newer k8s-single`
          : `use --kubernetes 1.${oldest}, or give a folder with all binaries with --bin-dir`,
    },
  );
}

/** Whether the table has the minor of this version. */
export function isPaired(version: string): boolean {
  return pairings[minorOf(version)] !== undefined;
}

/** 20 for 1.20.2; 0 when there is none. All of Kubernetes is 1.x. */
export function minorOf(version: string): number {
  return Number(/^v?\d+\.(\d+)/.exec(version)?.[1] ?? 0);
}

/**
 * Why this containerd cannot run with this Kubernetes, if it cannot: kubelets up to 1.22 speak CRI v1alpha2 only, those from 1.26
 * on v1 only; containerd up to 1.5 speaks v1alpha2 only, from 2.0 on v1 only (RELEASES.md of containerd).
 */
export function cannotPair(kubernetes: string, containerd: string): string | undefined {
  const kubelet = minorOf(kubernetes);
  const [major = 0, minor = 0] = containerd.split('.').map(Number);
  if (kubelet <= 22 && major >= 2) {
    return `containerd ${containerd} has no CRI v1alpha2, and the kubelet ${kubernetes} nothing else`;
  }
  if (kubelet >= 26 && major === 1 && minor < 6) {
    return `containerd ${containerd} has no CRI v1, and the kubelet ${kubernetes} nothing else`;
  }
  return undefined;
}
