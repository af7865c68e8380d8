import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { Failure } from '../../lib/errors.ts';
import { readRecord } from '../dataVersions.ts';
import { etcdGateway, toBase64 } from '../etcdGateway.ts';
import type { EtcdAccess } from '../etcdGateway.ts';
import { headerOf, isSnapshotFile, lineOf, registryPrefix } from './format.ts';
import type { SnapshotFile } from './format.ts';

interface SnapshotSource {
  /** The name of the node. */
  readonly node: string;
  /** Its data folder. */
  readonly data: string;
  readonly etcd: EtcdAccess;
}

/** So many objects are asked for at a time. An object has at most 1.5 MiB (etcd's --max-request-bytes). */
const pageSize = 100;

/**
 * The lines of a snapshot: all that Kubernetes has in etcd, at one revision, and the files that belong to it. Without what expires by
 * itself, such as events: nothing would remove it.
 * @throws Unhealthy with etcd's reason; Failure `notReady` if the key of the Secrets was changed meanwhile
 */
export async function* snapshotLines(
  { node, data, etcd }: SnapshotSource,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const post = etcdGateway(etcd);
  const files = filesOf(data);
  const end = toBase64(`${registryPrefix.slice(0, -1)}0`);
  let next = toBase64(registryPrefix);
  let revision: string | undefined;
  const counts = { files: files.length, records: 0 };
  for (;;) {
    const range = { key: next, range_end: end, limit: String(pageSize), ...(revision && { revision }) };
    const page = await post('kv/range', range, signal);
    if (revision === undefined) {
      revision = textAt(page, 'header', 'revision');
      const versions = readRecord(data) ?? '';
      yield lineOf(headerOf({ node, created: new Date().toISOString(), versions, revision }));
      for (const file of files) yield lineOf(file);
    }
    const found = listAt(page, 'kvs');
    for (const each of found) {
      if (at(each, 'lease') !== undefined) continue;
      const key = Buffer.from(textAt(each, 'key'), 'base64').toString();
      yield lineOf({ key, value: textAt(each, 'value') });
      counts.records += 1;
    }
    if (at(page, 'more') !== true) break;
    const last = textAt(found.at(-1), 'key');
    if (last === '') throw new Unhealthy('etcd sends a page without objects');
    next = Buffer.concat([Buffer.from(last, 'base64'), Buffer.of(0)]).toString('base64');
  }
  if (JSON.stringify(filesOf(data)) !== JSON.stringify(files)) {
    throw new Failure('notReady', 'the keys or manifests of the cluster were changed meanwhile', {
      hint: 'take the snapshot again',
    });
  }
  yield lineOf({ end: counts });
}

function filesOf(data: string): SnapshotFile[] {
  return ['pki', 'apiserver', 'addons'].flatMap((folder) =>
    namesIn(join(data, folder))
      .map((name) => `${folder}/${name}`)
      .filter((file) => isSnapshotFile(file) && statSync(join(data, file)).isFile())
      .map((file) => ({ file, content: readFileSync(join(data, file)).toString('base64') })),
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    // An older cluster, or one without it.
    return [];
  }
}
