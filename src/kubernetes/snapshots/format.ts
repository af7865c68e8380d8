import { at, parseJson, textAt } from '../../../probes/transport/json.ts';
import { Failure } from '../../lib/errors.ts';

/** The first line of a snapshot. */
export interface SnapshotHeader {
  readonly format: typeof formatName;
  readonly version: number;
  /** The name of the node for k8s-single. */
  readonly node: string;
  /** ISO 8601, in UTC. */
  readonly created: string;
  /** What ran on the data: the text of versions.json. */
  readonly versions: string;
  /** etcd's revision at that time. */
  readonly revision: string;
}

/** A file of the data folder. */
export interface SnapshotFile {
  /** Its path below the data folder: see {@link isSnapshotFile}. */
  readonly file: string;
  /** In base64. */
  readonly content: string;
}

/** What etcd has at a key. */
interface SnapshotRecord {
  readonly key: string;
  /** In base64. */
  readonly value: string;
}

/** The last line: without it, the snapshot is cut off. */
interface SnapshotEnd {
  readonly end: { readonly files: number; readonly records: number };
}

const formatName = 'k8s-single snapshot';
/** Raised when an older program could not restore what a newer one has written. */
const version = 1;

/** The keys of Kubernetes in etcd: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/ (--etcd-prefix). */
export const registryPrefix = '/registry/';

/**
 * What belongs to the identity of a cluster: whoever its clients and tokens trust, the keys of its Secrets, and the manifests of its
 * addons. All other certificates and kubeconfigs are made from that at the next start, for the machine on which that is.
 */
const files =
  /^(?:pki\/(?:ca|front-proxy-ca)\.(?:crt|key)|pki\/sa\.(?:key|pub)|apiserver\/encryption\.json|addons\/\.?[\w-][\w.-]{0,253})$/;

/** Whether a snapshot may have this file, by its path below the data folder. */
export function isSnapshotFile(path: string): boolean {
  return files.test(path);
}

type SnapshotLine = SnapshotHeader | SnapshotFile | SnapshotRecord | SnapshotEnd;

export function headerOf(header: Omit<SnapshotHeader, 'format' | 'version'>): SnapshotHeader {
  return { format: formatName, version, ...header };
}

/** One line of a snapshot, with its end of line. */
export function lineOf(line: SnapshotLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** What follows the header: the files, then the records. */
export type SnapshotEntry = SnapshotFile | SnapshotRecord;

/**
 * Reads a snapshot from its lines and returns its header; `entries` is read once, up to its end: before that, the snapshot may be cut
 * off. @param name how the snapshot is called in messages
 * @throws Failure `usage` at the first line that no snapshot has
 */
export async function parseSnapshot(
  lines: AsyncIterable<string>,
  name: string,
): Promise<{ readonly header: SnapshotHeader; readonly entries: AsyncGenerator<SnapshotEntry, void> }> {
  const iterator = lines[Symbol.asyncIterator]();
  const first = await iterator.next();
  const header = parseHeader(first.done === true ? '' : first.value, name);
  return { header, entries: parseEntries(iterator, name) };
}

function parseHeader(line: string, name: string): SnapshotHeader {
  const content = parseJson(line);
  if (textAt(content, 'format') !== formatName) throw new Failure('usage', `${name} is no snapshot`);
  const found = at(content, 'version');
  if (typeof found === 'number' && found > version) {
    throw new Failure('usage', `${name} is a snapshot of a newer k8s-single (format ${found})`, {
      hint: 'restore it with that version, or a newer one',
    });
  }
  const header = {
    node: textAt(content, 'node'),
    created: textAt(content, 'created'),
    versions: textAt(content, 'versions'),
    revision: textAt(content, 'revision'),
  };
  const isWhole =
    found === version && !Number.isNaN(Date.parse(header.created)) && /^[1-9]\d{0,17}$/.test(header.revision);
  if (!isWhole || textAt(parseJson(header.versions), 'kube-apiserver') === '') throw damaged(name, 1);
  return headerOf(header);
}

async function* parseEntries(
  lines: AsyncIterator<string>,
  name: string,
): AsyncGenerator<SnapshotEntry, void> {
  const counts = { files: 0, records: 0 };
  for (let number = 2; ; number += 1) {
    const next = await lines.next();
    if (next.done === true) throw new Failure('usage', `${name} is cut off after line ${number - 1}`);
    const content = parseJson(next.value);
    const end = at(content, 'end');
    if (end !== undefined) {
      const isWhole = at(end, 'files') === counts.files && at(end, 'records') === counts.records;
      if (!isWhole || (await lines.next()).done !== true) throw damaged(name, number);
      return;
    }
    const entry = entryOf(content);
    if (entry === undefined) throw damaged(name, number);
    counts['file' in entry ? 'files' : 'records'] += 1;
    yield entry;
  }
}

/** Undefined for what may not be in a snapshot: it is written into folders that only root may write. */
function entryOf(content: unknown): SnapshotEntry | undefined {
  const [file, key] = [textAt(content, 'file'), textAt(content, 'key')];
  if (isSnapshotFile(file) && typeof at(content, 'content') === 'string')
    return { file, content: textAt(content, 'content') };
  if (key.startsWith(registryPrefix) && typeof at(content, 'value') === 'string')
    return { key, value: textAt(content, 'value') };
  return undefined;
}

function damaged(name: string, line: number): Failure {
  return new Failure('usage', `${name}: line ${line} is damaged`, { hint: 'restore another snapshot' });
}
