import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { etcd as healthy } from '../../../probes/kinds/etcd.ts';
import { PermanentFailure } from '../../../probes/probe.ts';
import type { Probe } from '../../../probes/probe.ts';
import type { Dependency, Diagnosis, Service } from '../../engine/component.ts';
import { tail } from '../../engine/supervise/logFile.ts';
import { ensurePrivateFolder } from '../../lib/atomicFile.ts';
import { Failure } from '../../lib/errors.ts';
import { nodeProgram } from '../environment.ts';
import type { NodeFacts } from '../facts.ts';
import { assertDatabase, hasContent, ifWrongKind, isDamage, withoutPaths } from './database.ts';
import { etcdAccess } from '../kubeconfig/clients.ts';
import { pkiPaths } from '../pki/paths.ts';
import { ensureEtcdPki } from '../pki/pki.ts';
import { flags } from './flags.ts';

/** etcd, on loopback only. Admits only clients with a certificate of its own CA. */
export function etcd(facts: NodeFacts, needs: readonly Dependency[]): Service {
  const { config, paths, differences } = facts;
  const { etcdPort, etcdPeerPort } = config.network;
  const { url: client, ...access } = etcdAccess(facts);
  // Data of a version without TLS records another URL for this member, which nobody uses.
  const peer = `https://127.0.0.1:${etcdPeerPort}`;
  const pki = pkiPaths(paths.pki);
  const args = flags({
    'advertise-client-urls': client,
    'cert-file': pki.etcd.cert,
    'client-cert-auth': true,
    'data-dir': paths.etcd,
    // In ms. Even a single member waits this long before it elects itself at a restart.
    'election-timeout': 200,
    'heartbeat-interval': 40,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    'key-file': pki.etcd.key,
    'listen-client-urls': client,
    'listen-peer-urls': peer,
    // For the initial objects, which are one transaction. By default 128.
    'max-txn-ops': 1024,
    'peer-cert-file': pki.etcd.cert,
    'peer-client-cert-auth': true,
    'peer-key-file': pki.etcd.key,
    'peer-trusted-ca-file': pki.etcdCa.cert,
    'trusted-ca-file': pki.etcdCa.cert,
    ...differences.etcd.corruptCheck,
    ...differences.etcd.watchProgress,
    ...(!config.etcd.fsync && differences.etcd.noFsync),
  });
  const files = { database: join(paths.etcd, 'member/snap/db'), wal: join(paths.etcd, 'member/wal') };
  const remedy = `the state of the cluster cannot be read: put a copy of ${paths.etcd} back, or remove it: the cluster is new then`;
  const command = async () => {
    assertDatabase(files.database, remedy);
    assertWal(files, remedy);
    // A file in its place etcd itself reports, as it does all that is wrong with its data.
    if (statSync(paths.etcd, { throwIfNoEntry: false })?.isFile() !== true) ensurePrivateFolder(paths.etcd);
    await ensureEtcdPki({ dir: paths.pki });
    return nodeProgram(facts, 'etcd', args);
  };
  return {
    kind: 'service',
    name: 'etcd',
    needs,
    command,
    ready: unlessWithoutMembers(healthy(client, access), join(paths.logs, 'etcd.log')),
    // Ignores a full quota, which a restart does not fix.
    live: healthy(client, { ...access, live: true }),
    diagnose: (reason, lastLines) => diagnose(reason, lastLines, { ...files, remedy }),
    ports: [etcdPort, etcdPeerPort],
  };
}

interface DataFiles {
  readonly database: string;
  /** The folder of the write-ahead log. */
  readonly wal: string;
}

/**
 * Refuses a database without its write-ahead log, which etcd takes for that of a new cluster, and one with an empty segment, which etcd
 * never makes: it becomes ready, and applies no write until there are as many as are lost.
 * @throws Failure `preflight`
 */
function assertWal({ database, wal }: DataFiles, hint: string): void {
  if (!hasContent(database)) return;
  const segments = filesIn(wal).filter((name) => name.endsWith('.wal'));
  if (segments.length === 0) {
    throw new Failure(
      'preflight',
      `${wal} has lost its files: ${database} is there without its write-ahead log`,
      { hint },
    );
  }
  const empty = segments.map((name) => join(wal, name)).find((file) => statSync(file).size === 0);
  if (empty === undefined) return;
  throw new Failure('preflight', `${empty} is empty: the last writes to ${database} are lost`, { hint });
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The lines that etcd logs from its start until it serves: about 40. */
const startLines = 100;

const emptyLog = 'its write-ahead log is cut off: it starts as a member without entries, and waits for ever';

/** A member whose log was cut off so early that it lists no members: etcd repairs it, and then waits for an election. */
function unlessWithoutMembers(probe: Probe, log: string): Probe {
  return async (signal) =>
    probe(signal).catch((error: unknown) => {
      throw hasNoMembers(tail(log, startLines)) ? new PermanentFailure(emptyLog, { cause: error }) : error;
    });
}

/**
 * Whether etcd, by the lines of its last start, goes on as a member whose log has no entries.
 * @internal exported for tests
 */
export function hasNoMembers(lines: readonly string[]): boolean {
  const start = lines.findLastIndex((line) => /\b(?:re)?starting (?:local )?member\b/.test(line));
  if (start < 0 || !/\brestarting (?:local )?member\b/.test(lines[start]!)) return false;
  return lines.slice(start).some((line) => /newRaft \w+ \[peers: \[\],.* lastindex: 0,/.test(line));
}

/**
 * What the reason of a failure says of the data.
 * @internal exported for tests
 */
export function diagnose(
  reason: string,
  lastLines: readonly string[],
  { database, wal, remedy }: DataFiles & { readonly remedy: string },
): Diagnosis | undefined {
  if (!isDamage(reason, lastLines)) return ifWrongKind(reason);
  const words = withoutPaths(reason);
  // A record of the log that cannot be decoded is reported as it is (wal.ValidSnapshotEntries); one of the database has more words.
  const isWal =
    /\bwal(?:pb)?\b|write-ahead log|cannot use none as id/i.test(words) ||
    (/\bproto: /.test(words) && !/\bunmarshal/.test(words));
  return { isPermanent: true, fault: `${isWal ? wal : database} is damaged`, remedy };
}
