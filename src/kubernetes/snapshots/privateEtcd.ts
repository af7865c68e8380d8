import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { until } from '../../../probes/until.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { tempDir } from '../../lib/paths.ts';
import { flags } from '../components/flags.ts';
import { etcdGateway, toBase64 } from '../etcdGateway.ts';
import type { EtcdAccess } from '../etcdGateway.ts';

/** The program, and its whole environment: etcd reads a variable for each of its flags. */
export interface EtcdProgram {
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
}

/** In ms: a database of 2 GB is read at the start. */
const startTimeoutMs = 60_000;

/**
 * Runs etcd on its data for as long as `use` takes. Only root reaches it: it listens on a socket in a folder of its own. What was
 * written is on the disk when this resolves.
 * @param data etcd's data folder, which nobody else uses
 * @throws Failure `preflight` with etcd's last line if it does not start, or ends by itself; what `use` throws; the signal's reason
 */
export async function withEtcd<T>(
  { file, env }: EtcdProgram,
  data: string,
  signal: AbortSignal,
  use: (etcd: EtcdAccess, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const folder = await mkdtemp(join(tempDir(), 'k8s-single-etcd-'));
  const [client, peer] = ['client:1', 'peer:1'];
  // As a node names it, which nobody uses.
  const advertised = 'https://127.0.0.1:2380';
  const args = flags({
    'advertise-client-urls': `unix://${client}`,
    'data-dir': data,
    'election-timeout': 200,
    'heartbeat-interval': 40,
    'initial-advertise-peer-urls': advertised,
    'initial-cluster': `default=${advertised}`,
    // Relative to the working folder.
    'listen-client-urls': `unix://${client}`,
    'listen-peer-urls': `unix://${peer}`,
    'max-request-bytes': maxRequestBytes,
    'max-txn-ops': maxOperations,
    'quota-backend-bytes': 8 * 2 ** 30,
  });
  // Also after a SIGKILL of this process, no etcd is left.
  const child = execa('setpriv', ['--pdeathsig', 'KILL', '--', file, ...args], {
    cwd: folder,
    env,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
  });
  const ended = new AbortController();
  const exited = child.then(({ stderr, shortMessage }) => {
    const last = stderr.trim().split('\n').at(-1) || (shortMessage ?? '');
    ended.abort(new Failure('preflight', `etcd ended on ${data}: ${last}`));
  });
  const running = AbortSignal.any([signal, ended.signal]);
  const access = { url: 'http://localhost', socketPath: join(folder, client) };
  try {
    await until(hasLeader(access), { timeoutMs: startTimeoutMs, attemptTimeoutMs: startTimeoutMs }, running);
    return await use(access, running);
  } catch (error) {
    running.throwIfAborted();
    if (error instanceof Failure) throw error;
    throw new Failure('preflight', `etcd does not work on ${data}: ${reasonOf(error)}`, { cause: error });
  } finally {
    child.kill('SIGTERM');
    await exited;
    await rm(folder, { recursive: true, force: true });
  }
}

/** The limits of one request, in bytes and in objects. */
const maxRequestBytes = 16 * 2 ** 20;
const maxOperations = 1024;

function hasLeader(access: EtcdAccess) {
  const post = etcdGateway(access);
  return async (signal: AbortSignal): Promise<void> => {
    await post('kv/range', { key: toBase64('any') }, signal);
  };
}

/** What to write: a key, and the value in base64. */
interface Write {
  readonly key: string;
  readonly value: string;
}

/** Writes everything, in requests as large as this etcd takes. Resolves with the number of keys. */
export async function writeAll(
  etcd: EtcdAccess,
  writes: AsyncIterable<Write>,
  signal: AbortSignal,
): Promise<number> {
  const post = etcdGateway(etcd);
  let count = 0;
  let batch: object[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await post('kv/txn', { success: batch }, signal);
    batch = [];
    bytes = 0;
  };
  for await (const { key, value } of writes) {
    if (batch.length === maxOperations || bytes + value.length > maxRequestBytes / 4) await flush();
    batch.push({ request_put: { key: toBase64(key), value } });
    bytes += value.length;
    count += 1;
  }
  await flush();
  return count;
}
