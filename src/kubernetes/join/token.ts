import { randomInt, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Api } from '../../../probes/kinds/api.ts';
import { change } from '../components/bootstrapSteps.ts';
import type { Pin } from './pin.ts';
import { isPin, pinOf } from './pin.ts';

// Bootstrap tokens: https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/.

/** A bootstrap token, with the pin of the CA that a server must have to be sent the token. */
export interface JoinToken {
  /** Public: the name of the token. */
  readonly id: string;
  readonly secret: string;
  readonly pin: Pin;
}

/** The group that a token of ours puts its user in: who has it may ask for the certificate of a new node. */
export const joinGroup = 'system:bootstrappers:k8s-single:worker';

/** The longest description of a token, in characters. */
export const longestDescription = 200;

const characters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** What {@link parseToken} accepts, for error messages. */
export const tokenForm = 'what "k8s-single token create" has printed: ID.SECRET@sha256:PIN';

/** The token in a text such as `abcdef.0123456789abcdef@sha256:...`; undefined if it is none. */
export function parseToken(text: string): JoinToken | undefined {
  const [, id = '', secret = '', pin = ''] = /^([a-z0-9]{6})\.([a-z0-9]{16})@(.*)$/.exec(text) ?? [];
  return isPin(pin) ? { id, secret, pin } : undefined;
}

export function formatToken({ id, secret, pin }: JoinToken): string {
  return `${id}.${secret}@${pin}`;
}

export function isTokenId(text: string): boolean {
  return /^[a-z0-9]{6}$/.test(text);
}

/** A new token for the cluster of the CA with this pin: 80 random bits. @internal exported for tests */
export function newToken(pin: Pin): JoinToken {
  return { id: random(6), secret: random(16), pin };
}

function random(length: number): string {
  return Array.from({ length }, () => characters[randomInt(characters.length)]).join('');
}

/** The path of all Secrets with tokens. */
const tokenSecrets = '/api/v1/namespaces/kube-system/secrets';
export const onlyTokens = `${tokenSecrets}?fieldSelector=${encodeURIComponent('type=bootstrap.kubernetes.io/token')}`;

export function tokenPath(id: string): string {
  return `${tokenSecrets}/bootstrap-token-${id}`;
}

/** Makes a token at the API server. @throws Unhealthy with its reason */
export async function issueToken(api: Api, settings: TokenSettings, signal: AbortSignal): Promise<JoinToken> {
  const token = newToken(pinOf(new X509Certificate(readFileSync(api.ca))));
  const body = tokenSecret(token, settings);
  await change(api, tokenSecrets, { method: 'POST', type: 'application/json', body }, [201])(signal);
  return token;
}

interface TokenSettings {
  /** Undefined: it does not expire. */
  readonly expires: Date | undefined;
  readonly description: string | undefined;
}

/** The Secret of a token with which nodes join: no more than that. @internal exported for tests */
export function tokenSecret({ id, secret }: JoinToken, { expires, description }: TokenSettings): object {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': id,
      'token-secret': secret,
      'usage-bootstrap-authentication': 'true',
      'auth-extra-groups': joinGroup,
      // RFC 3339 of Go's time package; the API server compares it at each request.
      ...(expires !== undefined && { expiration: `${expires.toISOString().slice(0, 19)}Z` }),
      ...(description !== undefined && { description }),
    },
  };
}
