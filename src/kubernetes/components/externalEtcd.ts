import type { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { etcd as healthy } from '../../../probes/kinds/etcd.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import { passes, probeOnce } from '../../../probes/probeOnce.ts';
import { listAt, textAt } from '../../../probes/transport/json.ts';
import { until } from '../../../probes/until.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { etcdGateway, toBase64 } from '../etcdGateway.ts';
import type { EtcdAccess } from '../etcdGateway.ts';
import type { NodeFacts } from '../facts.ts';
import { etcdMembers } from '../kubeconfig/clients.ts';
import { certificatesIn } from '../pki/check.ts';
import { pkiPaths } from '../pki/paths.ts';

/** Time limit of one question to one member, in ms. A member without a leader takes a second or two to say so. */
const memberMs = 3000;

/** Longer than a member may take. */
const timing = { timeoutMs: Number.POSITIVE_INFINITY, attemptTimeoutMs: memberMs + 1000 };

/**
 * An etcd of others, in the place of the node's own. Ready while a member of it takes writes: then it has a leader and a quorum.
 * While it is not, nothing is restarted for it, and everything goes on when it is ready again.
 */
export function externalEtcd(facts: NodeFacts, needs: readonly Dependency[]): Task {
  return externalEtcdTask(etcdMembers(facts), pkiPaths(facts.paths.pki).ca.cert, needs);
}

/**
 * @param ca the file with the CA of the node's cluster
 * @internal exported for tests
 */
export function externalEtcdTask(
  members: readonly EtcdAccess[],
  ca: string,
  needs: readonly Dependency[],
): Task {
  const probes = members.map(healthOf);
  const hasQuorum: Probe = async (signal) => {
    const reasons = await failures(probes, signal);
    if (reasons.length < members.length) return;
    throw new Unhealthy(`no member of etcd takes writes: ${reasons.join('; ')}`);
  };
  return {
    kind: 'task',
    name: 'etcd',
    needs,
    // Whoever starts the node may start the members only now: the time limit is that of the boot.
    timeoutMs: Number.POSITIVE_INFINITY,
    run: async (signal, onAttemptFailed) => {
      await until(hasQuorum, { ...timing, onAttemptFailed }, signal);
      await assertOwnCluster(members, ca, signal);
    },
    live: hasQuorum,
  };
}

/**
 * Says which members of an etcd of others are away while the rest of them takes writes: the node is ready without them. Undefined
 * with a single one.
 */
export function externalEtcdMembers(facts: NodeFacts): Task | undefined {
  const members = etcdMembers(facts);
  if (members.length === 1) return undefined;
  const probes = members.map(healthOf);
  const all: Probe = async (signal) => {
    const reasons = await failures(probes, signal);
    if (reasons.length > 0)
      throw new Unhealthy(`${reasons.length} of ${members.length} away: ${reasons.join('; ')}`);
  };
  return {
    kind: 'task',
    name: 'etcd-members',
    needs: [],
    timeoutMs: Number.POSITIVE_INFINITY,
    optional: true,
    run: async (signal, onAttemptFailed) => until(all, { ...timing, onAttemptFailed }, signal),
    live: all,
  };
}

/** Fails with a reason that names the member. */
function healthOf({ url, ...tls }: EtcdAccess): Probe {
  const probe = healthy(url, tls);
  const { host } = new URL(url);
  return async (signal) =>
    probe(signal).catch((cause: unknown) => {
      const reason = reasonOf(cause);
      throw reason.includes(host) ? cause : new Unhealthy(`${host}: ${reason}`, { cause });
    });
}

/** The reasons of those that do not pass, in their order. */
async function failures(probes: readonly Probe[], signal: AbortSignal): Promise<string[]> {
  const results = await Promise.allSettled(probes.map(async (probe) => probeOnce(probe, memberMs, signal)));
  signal.throwIfAborted();
  return results.flatMap((result) => (result.status === 'rejected' ? [reasonOf(result.reason)] : []));
}

/** Where the API server publishes the CA of its clients, in its own encoding. */
const authenticationKey = '/registry/configmaps/kube-system/extension-apiserver-authentication';

/**
 * Refuses the cluster of another node whose certificates this one does not have: it would accept none of the tokens and certificates
 * that are in use there. An etcd that does not serve JSON is not asked.
 * @throws Failure `preflight` with what to do
 */
async function assertOwnCluster(
  members: readonly EtcdAccess[],
  ca: string,
  signal: AbortSignal,
): Promise<void> {
  let value = '';
  const read =
    (member: EtcdAccess): Probe =>
    async (attempt) => {
      const answer = await etcdGateway(member)('kv/range', { key: toBase64(authenticationKey) }, attempt);
      value = Buffer.from(textAt(listAt(answer, 'kvs')[0], 'value'), 'base64').toString();
    };
  for (const member of members) if (await passes(read(member), memberMs, signal)) break;
  signal.throwIfAborted();
  if (value === '') return;
  // One is enough: while CAs are replaced, the cluster is told of the second one later.
  const isKnown = (cert: X509Certificate): boolean =>
    base64Lines(cert.toString()).every((line) => value.includes(line));
  if (certificatesIn(await readFile(ca, 'utf8')).some(isKnown)) return;
  throw new Failure('preflight', `the cluster in this etcd has another CA than ${ca}`, {
    hint: 'copy the folder pki of a node of that cluster into the data folder of this one, and start it again; or name an etcd without a cluster',
  });
}

function base64Lines(pem: string): string[] {
  return pem.split('\n').filter((line) => /^[\w+/=]+$/.test(line));
}
