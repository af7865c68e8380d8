import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:https';
import { isIP } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import type { DetailedPeerCertificate } from 'node:tls';
import { parseJson, textAt } from '../../../probes/transport/json.ts';
import { serverForm, serverHost } from '../../config/schema/addresses.ts';
import { formatDuration } from '../../config/schema/duration.ts';
import { nodePath } from '../../helper/workers/node.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { hasErrorCode } from '../../lib/systemError.ts';
import { clusterConfigMap, clusterPath, readClusterFacts } from './cluster.ts';
import type { Joining, Membership } from './membership.ts';
import { pinOf } from './pin.ts';
import type { JoinToken } from './token.ts';

/** For each request, in ms. */
const timeoutMs = 10_000;

const newToken = 'make a new one on the machine of the control plane: k8s-single token create';

/** The API server does not know the token. */
export class TokenRefused extends Failure {}

/** Who asks the API server: by a token, or by the certificate of a kubelet. */
type Credentials = { readonly token: JoinToken } | { readonly pem: string };

/**
 * Finds out what the cluster is. The token is sent to nobody but the server whose CA has the token's pin.
 * @throws Failure `preflight` when the server is not reached, is another one, or refuses the token
 */
export async function discover(server: string, token: JoinToken, nodeName: string): Promise<Membership> {
  const ca = await verifiedCa(server, token);
  const cluster = await clusterAt({ server, ca }, { token });
  const taken = await get({ server, ca }, nodePath(nodeName), { token });
  assertSameTime(server, taken.date);
  if (taken.status !== 404)
    throw new Failure('preflight', `the cluster has a node ${nodeName} already`, {
      hint: `set another nodeName in a config; or, if that one is gone for good: kubectl delete node ${nodeName}`,
    });
  return { server, ca, cluster };
}

/** How far clocks may be apart, in ms: certificates that a cluster signs are valid from 5 min before (pkg/controller/certificates/authority). */
const clocksMs = 5 * 60_000;

/** @throws Failure `preflight` if the clocks of both machines are too far apart; without a date nothing is known of that */
function assertSameTime(server: string, date: string | undefined): void {
  const aheadMs = Date.now() - Date.parse(date ?? '');
  if (!(Math.abs(aheadMs) > clocksMs)) return;
  const how = `${formatDuration(Math.round(Math.abs(aheadMs) / 60_000) * 60_000)} ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
  throw new Failure('preflight', `the clock of this machine is ${how} that of ${server}`, {
    hint: setClocks,
  });
}

const setClocks = 'certificates have times: set both clocks, for example by NTP';

/**
 * What the cluster is now, for a worker that has a certificate, and what it knows of its Node.
 * @throws Failure `preflight` when the server is not reached or refuses the certificate
 */
export async function rediscover(known: Membership, pem: string, nodeName: string): Promise<Joining> {
  const cluster = await clusterAt(known, { pem });
  const { status, body } = await get(known, nodePath(nodeName), { pem });
  const podCidr = status === 200 ? textAt(parseJson(body), 'spec', 'podCIDR') : '';
  return { ...known, cluster, ...(podCidr !== '' && { podCidr }) };
}

/**
 * The CA that the server sends, if it has the pin. The connection is closed before anything is sent over it; every other one is
 * verified with that CA, for the host in the URL.
 */
async function verifiedCa(server: string, { pin }: JoinToken): Promise<string> {
  const url = new URL(server);
  const host = serverHost(server) ?? '';
  const socket = connect({
    host,
    port: Number(url.port || 443),
    ...(isIP(host) === 0 && { servername: host }),
    rejectUnauthorized: false,
    timeout: timeoutMs,
  });
  socket.on('timeout', () => socket.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
  try {
    await once(socket, 'secureConnect');
  } catch (cause) {
    throw new Failure('preflight', `the API server ${server} cannot be reached: ${reasonOf(cause)}`, {
      hint: 'is its node up, and do both machines see each other?',
      cause,
    });
  }
  const chain = chainOf(socket.getPeerCertificate(true));
  socket.destroy();
  const ca = chain.find((each) => each.ca && pinOf(each) === pin);
  if (ca !== undefined) return ca.toString();
  const found = chain.filter((each) => each.ca).map(pinOf);
  throw new Failure(
    'preflight',
    `${server} is not the cluster of the token: its CA is ${found[0] ?? 'unknown'}, not ${pin}; nothing was sent to it`,
    { hint: `check the URL; if the cluster was made anew, the token is an old one: ${newToken}` },
  );
}

function chainOf(leaf: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  // The last one, which is its own issuer, refers to itself.
  for (
    let each = leaf;
    each?.raw !== undefined && !seen.has(each.fingerprint256);
    each = each.issuerCertificate
  ) {
    seen.add(each.fingerprint256);
    chain.push(new X509Certificate(each.raw));
  }
  return chain;
}

async function clusterAt(api: Pick<Membership, 'server' | 'ca'>, who: Credentials) {
  const { status, body } = await get(api, clusterPath, who);
  if (status === 401 && 'token' in who)
    throw new TokenRefused(
      'preflight',
      `${api.server} refuses the token ${who.token.id}: it is unknown there, or has expired`,
      { hint: newToken },
    );
  if (status === 401)
    throw new Failure('preflight', `${api.server} refuses the certificate of this worker`, {
      hint: 'take it down with --purge, and join again with a new token',
    });
  const object = parseJson(body);
  const cluster = readClusterFacts(parseJson(textAt(object, 'data', clusterConfigMap.key)));
  if (status === 200 && cluster !== undefined) return cluster;
  const reason = textAt(object, 'message') || body.slice(0, 200);
  throw new Failure('preflight', `${api.server} does not describe its cluster: HTTP ${status}: ${reason}`, {
    hint: 'is it a node of this version of k8s-single, started with --host or in a container, and ready?',
  });
}

async function get(
  { server, ca }: Pick<Membership, 'server' | 'ca'>,
  path: string,
  who: Credentials,
): Promise<{ readonly status: number; readonly body: string; readonly date: string | undefined }> {
  const isToken = 'token' in who;
  const headers = { 'user-agent': 'k8s-single', connection: 'close' };
  const bearer = isToken ? { authorization: `Bearer ${who.token.id}.${who.token.secret}` } : {};
  const sent = request(new URL(path, server), {
    ca,
    ...(!isToken && { cert: who.pem, key: who.pem }),
    headers: { ...headers, ...bearer },
    agent: false,
    rejectUnauthorized: true,
    timeout: timeoutMs,
  });
  sent.on('timeout', () => sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
  const answered = once(sent, 'response');
  sent.end();
  try {
    const [response] = await answered;
    return { status: response.statusCode ?? 0, body: await text(response), date: response.headers.date };
  } catch (cause) {
    const isOutOfTime = hasErrorCode(cause, 'CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED');
    const byClock = isOutOfTime
      ? `, by the clock of this machine: ${new Date().toISOString().replace(/\.\d+Z$/, 'Z')}`
      : '';
    throw new Failure('preflight', `the API server ${server} cannot be asked: ${reasonOf(cause)}${byClock}`, {
      hint: isOutOfTime
        ? setClocks
        : 'a certificate is valid for the addresses of its node: join at the URL that "token create" prints',
      cause,
    });
  }
}

/** @throws Failure `usage` if it is not the URL of an API server */
export function assertServer(server: string): string {
  if (serverHost(server) === undefined)
    throw new Failure('usage', `--join ${server}: expected ${serverForm}`);
  return new URL(server).origin;
}
