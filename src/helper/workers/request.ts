import { listAt, textAt } from '../../../probes/transport/json.ts';
import { readNamed } from '../cluster/objects.ts';
import type { Named } from '../cluster/objects.ts';
import type { Resource } from '../cluster/watches.ts';

/** The signer of the certificates that kubelets serve with, which nobody in Kubernetes approves. */
export const servingSigner = 'kubernetes.io/kubelet-serving';

/** A CertificateSigningRequest. */
export interface CertificateRequest extends Named {
  readonly signer: string;
  /** Who asks, by the API server. */
  readonly username: string;
  readonly groups: readonly string[];
  readonly usages: readonly string[];
  /** The request itself (PKCS #10) as PEM. */
  readonly pem: string;
  /** Whether somebody has decided. */
  readonly isDecided: boolean;
  /** The whole object if nobody has: an approval replaces it. */
  readonly object: object | undefined;
}

export const requests: Resource<CertificateRequest> = {
  path: '/apis/certificates.k8s.io/v1/certificatesigningrequests',
  read: readRequest,
};

/** @internal exported for tests */
export function readRequest(object: unknown): CertificateRequest {
  const isDecided = listAt(object, 'status', 'conditions').length > 0;
  return {
    ...readNamed(object),
    signer: textAt(object, 'spec', 'signerName'),
    username: textAt(object, 'spec', 'username'),
    groups: listAt(object, 'spec', 'groups').map(String),
    usages: listAt(object, 'spec', 'usages').map(String),
    pem: isDecided ? '' : Buffer.from(textAt(object, 'spec', 'request'), 'base64').toString('latin1'),
    isDecided,
    object: isDecided || typeof object !== 'object' ? undefined : (object ?? undefined),
  };
}
