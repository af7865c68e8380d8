import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { readNamed, type Named } from '../cluster/objects.ts';

// What the provisioner keeps of classes, claims and volumes.

/** The name under which classes and claims ask for this provisioner. */
export const provisioner = 'k8s-single.local/folder';
/** Marks the default class, which claims without a class get. */
export const isDefaultClass = 'storageclass.kubernetes.io/is-default-class';
/** The name before Kubernetes 1.6, which the API server still heeds (pkg/apis/storage/v1/util). */
const isDefaultClassBeta = 'storageclass.beta.kubernetes.io/is-default-class';
/** Marks a volume with its provisioner. */
export const provisionedBy = 'pv.kubernetes.io/provisioned-by';

/** The node of the first pod of a claim. */
export const selectedNode = 'volume.kubernetes.io/selected-node';

/** The label of a node with its name. */
export const hostLabel = 'kubernetes.io/hostname';

export interface StorageClass extends Named {
  readonly provisioner: string;
  /** `Delete` or `Retain`. */
  readonly reclaimPolicy: string;
  /** Whether its volumes are made before a pod uses the claim. */
  readonly isImmediate: boolean;
  readonly isDefault: boolean;
  /** The nodes to which its volumes are restricted, by their host names; empty if they are not. */
  readonly hosts: readonly string[];
}

export interface Claim extends Named {
  readonly uid: string;
  readonly className: string;
  /** Who is to provide the volume, by the controller manager. Empty until it has asked. */
  readonly provisioner: string;
  /** The node of its first pod, by the scheduler. Empty until then. */
  readonly node: string;
  /** Empty until it is bound. */
  readonly volumeName: string;
  readonly accessModes: readonly string[];
  readonly volumeMode: string;
  /** A quantity such as `1Gi`. */
  readonly size: string;
}

export interface Volume extends Named {
  readonly provisioner: string;
  readonly phase: string;
  readonly reclaimPolicy: string;
  readonly path: string;
  /** The host name of the node that has it; empty if it is not bound to one. */
  readonly node: string;
  readonly claim: Named & { readonly uid: string };
}

export function readClass(object: unknown): StorageClass {
  const annotations = at(object, 'metadata', 'annotations');
  return {
    ...readNamed(object),
    provisioner: textAt(object, 'provisioner'),
    reclaimPolicy: textAt(object, 'reclaimPolicy') || 'Delete',
    isImmediate: textAt(object, 'volumeBindingMode') !== 'WaitForFirstConsumer',
    hosts: hostsIn(listAt(object, 'allowedTopologies'), 'matchLabelExpressions'),
    isDefault: [isDefaultClass, isDefaultClassBeta].some((name) => textAt(annotations, name) === 'true'),
  };
}

export function readClaim(object: unknown): Claim {
  const annotations = at(object, 'metadata', 'annotations');
  const spec = at(object, 'spec');
  const asked = 'kubernetes.io/storage-provisioner';
  return {
    ...readNamed(object),
    uid: textAt(object, 'metadata', 'uid'),
    className:
      textAt(spec, 'storageClassName') || textAt(annotations, 'volume.beta.kubernetes.io/storage-class'),
    // Up to Kubernetes 1.22 only the one with beta.
    provisioner: textAt(annotations, `volume.${asked}`) || textAt(annotations, `volume.beta.${asked}`),
    node: textAt(annotations, selectedNode),
    volumeName: textAt(spec, 'volumeName'),
    accessModes: listAt(spec, 'accessModes').map(String),
    volumeMode: textAt(spec, 'volumeMode'),
    size: textAt(spec, 'resources', 'requests', 'storage'),
  };
}

export function readVolume(object: unknown): Volume {
  const claim = at(object, 'spec', 'claimRef');
  return {
    ...readNamed(object),
    provisioner: textAt(object, 'metadata', 'annotations', provisionedBy),
    phase: textAt(object, 'status', 'phase'),
    reclaimPolicy: textAt(object, 'spec', 'persistentVolumeReclaimPolicy'),
    path: textAt(object, 'spec', 'local', 'path'),
    node: hostsIn(
      listAt(object, 'spec', 'nodeAffinity', 'required', 'nodeSelectorTerms'),
      'matchExpressions',
    ).join(),
    claim: {
      namespace: textAt(claim, 'namespace'),
      name: textAt(claim, 'name'),
      uid: textAt(claim, 'uid'),
    },
  };
}

/** The host names in the terms of a class or a volume. */
function hostsIn(terms: readonly unknown[], expressions: string): string[] {
  return terms
    .flatMap((term) => listAt(term, expressions))
    .filter((expression) => at(expression, 'key') === hostLabel)
    .flatMap((expression) => listAt(expression, 'values').map(String));
}

const suffixes = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** The bytes of a quantity as the API server writes it, such as `1Gi`, `500M`, `1e9` or `100m`. NaN for anything else. */
export function bytesOf(quantity: string): number {
  const [, number = '', suffix = ''] = /^([\d.]+(?:[eE][+-]?\d+)?)(m|[kKMGTPE]i?)?$/.exec(quantity) ?? [];
  if (number === '') return NaN;
  if (suffix === 'm') return Number(number) / 1000;
  const power = suffixes.indexOf(suffix === 'Ki' ? 'k' : suffix.charAt(0));
  return Number(number) * (suffix.endsWith('i') ? 1024 : 1000) ** power;
}
