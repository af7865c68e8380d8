import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** What a token Secret is for. */
export interface TokenSubject {
  readonly namespace: string;
  /** Of the ServiceAccount. */
  readonly account: string;
  readonly uid: string;
  readonly secret: string;
}

/**
 * The token of a Secret of type kubernetes.io/service-account-token, as the controller manager makes it: without an end, and valid
 * while the Secret and the account exist (LegacyClaims in kk pkg/serviceaccount/legacy.go, its header in jwt.go there).
 * @param pem the private key of the service accounts, of which the API server has the public one
 */
export function secretToken(pem: string, { namespace, account, uid, secret }: TokenSubject): string {
  const key = createPrivateKey(pem);
  const prefix = 'kubernetes.io/serviceaccount';
  const claims = {
    iss: 'kubernetes/serviceaccount',
    [`${prefix}/namespace`]: namespace,
    [`${prefix}/secret.name`]: secret,
    [`${prefix}/service-account.name`]: account,
    [`${prefix}/service-account.uid`]: uid,
    sub: `system:serviceaccount:${namespace}:${account}`,
  };
  const header = { alg: key.asymmetricKeyType === 'ec' ? 'ES256' : 'RS256', kid: keyId(key) };
  const text = [header, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
}

function keyId(key: KeyObject): string {
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(publicKey).digest('base64url');
}
