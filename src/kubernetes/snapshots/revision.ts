import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { textAt } from '../../../probes/transport/json.ts';
import { Failure } from '../../lib/errors.ts';
import { etcdGateway, toBase64 } from '../etcdGateway.ts';
import { withEtcd } from './privateEtcd.ts';
import type { EtcdProgram } from './privateEtcd.ts';

/**
 * Makes new data of etcd that begins after a revision, so that no client of the cluster sees one go back: a watch would go on from
 * the future, and miss what happens until then.
 *
 * etcdutl does this (`snapshot restore --bump-revision`), but not that of etcd 3.4, and no package has it. etcd never goes below the
 * revision up to which it was compacted, which its database has under two keys: those get another one, of the same length. (store.restore
 * in server/mvcc/kvstore.go, and cindex: the log is not applied again.)
 * @param data etcd's data folder, which does not exist
 * @throws Failure `preflight` if this etcd does not take it
 */
export async function beginAfter(
  revision: bigint,
  program: EtcdProgram,
  data: string,
  signal: AbortSignal,
): Promise<void> {
  const compacted = await withEtcd(program, data, signal, async (etcd, running) => {
    const post = etcdGateway(etcd);
    const key = toBase64('k8s-single');
    await post('kv/put', { key, value: key }, running);
    const removed = textAt(await post('kv/deleterange', { key }, running), 'header', 'revision');
    await post('kv/compaction', { revision: removed, physical: true }, running);
    return BigInt(removed);
  });
  const file = join(data, 'member/snap/db');
  const database = readFileSync(file);
  const changed = ['scheduledCompactRev', 'finishedCompactRev'].map((name) =>
    replaceAll(database, entry(name, compacted), entry(name, revision)),
  );
  if (changed.includes(0))
    throw new Failure('preflight', `${file} has another form than that of etcd 3.4 to 3.7`);
  writeFileSync(file, database);
}

/** A key of the database, and after it the value: main revision, `_` and sub revision (revToBytes in server/mvcc/revision.go). */
function entry(name: string, revision: bigint): Buffer {
  const value = Buffer.alloc(17);
  value.writeBigUInt64BE(revision, 0);
  value.write('_', 8);
  return Buffer.concat([Buffer.from(name), value]);
}

/** Replaces a text by one of the same length, and returns how often. */
function replaceAll(buffer: Buffer, text: Buffer, by: Buffer): number {
  let count = 0;
  for (let index = buffer.indexOf(text); index >= 0; index = buffer.indexOf(text, index + text.length)) {
    by.copy(buffer, index);
    count += 1;
  }
  return count;
}

/** The revision of etcd now. */
export async function revisionOf(
  etcd: Parameters<typeof etcdGateway>[0],
  signal: AbortSignal,
): Promise<bigint> {
  return BigInt(textAt(await etcdGateway(etcd)('maintenance/status', {}, signal), 'header', 'revision'));
}
