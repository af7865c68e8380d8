import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import { at, listAt, textAt } from '../../../probes/transport/json.ts';
import { Failure, reasonOf } from '../../lib/errors.ts';
import { hasErrorCode, isSystemError } from '../../lib/systemError.ts';
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

/**
 * So many objects are asked for at first, then as many as have this size together, in bytes. An object has at most 1.5 MiB (etcd's
 * --max-request-bytes).
 */
const firstPage = 10;
const pageBytes = 4 * 2 ** 20;

/**
 * The lines of a snapshot: all that Kubernetes has in etcd, at one revision, and the files that belong to it. Without what expires by
 * itself, such as events: nothing would remove it.
 * @throws Failure `notReady` with etcd's reason, or if the keys of the cluster were changed meanwhile
 */
export async function* snapshotLines(
  source: SnapshotSource,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  try {
    yield* linesOf(source, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Unhealthy)) throw error;
    throw new Failure('notReady', `no snapshot can be taken: ${error.message}`, { cause: error });
  }
}

async function* linesOf(
  { node, data, etcd }: SnapshotSource,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  const post = etcdGateway(etcd);
  const files = filesOf(data);
  const end = toBase64(`${registryPrefix.slice(0, -1)}0`);
  let next = toBase64(registryPrefix);
  let revision: string | undefined;
  let limit = firstPage;
  const counts = { files: files.length, records: 0 };
  for (;;) {
    const range = { key: next, range_end: end, limit: String(limit), ...(revision && { revision }) };
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
    // In base64, three bytes are four.
    const bytes = found.reduce<number>((sum, each) => sum + textAt(each, 'value').length, 0) * 0.75;
    limit = Math.max(1, Math.min(1000, Math.floor((pageBytes * found.length) / (bytes + 1))));
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
    namesIn(join(data, folder)).flatMap((name) => {
      const file = `${folder}/${name}`;
      const content = isSnapshotFile(file) ? contentOf(join(data, file)) : undefined;
      return content === undefined ? [] : [{ file, content: content.toString('base64') }];
    }),
  );
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch (error) {
    // An older cluster, or one without it.
    if (hasErrorCode(error, 'ENOENT')) return [];
    throw unreadable(error);
  }
}

/** Undefined for what is no file, or has just been removed. */
function contentOf(path: string): Buffer | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path) : undefined;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw unreadable(error);
  }
}

function unreadable(error: unknown): unknown {
  return isSystemError(error) ? new Unhealthy(reasonOf(error), { cause: error }) : error;
}
