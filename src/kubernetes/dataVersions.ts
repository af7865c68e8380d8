import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import { cachedReleases } from '../install/find/cacheSets.ts';
import { isPaired } from '../install/release/pairings.ts';
import { writeFileAtomicallySync } from '../lib/atomicFile.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { nodePaths } from '../lib/paths.ts';

/** The versions of a node's binaries, by name. */
export type Versions = Readonly<Record<string, string>>;

/** A node by its name, and its data folder if that is not the default. */
export interface DataOwner {
  readonly name: string;
  readonly dataDir?: string;
}

/** Whose versions decide whether data can be used. */
const owners = { 'kube-apiserver': 'Kubernetes', etcd: 'etcd' } as const;

/** The file that records the versions that last ran on a data folder. */
export function versionsFile(data: string): string {
  return join(data, 'versions.json');
}

/** The versions that decide whether data can be used, as a text for {@link versionsFile}. */
export function recordOf(versions: Versions): string {
  const own = Object.fromEntries(Object.keys(owners).map((name) => [name, versions[name]]));
  return `${JSON.stringify(own)}\n`;
}

/**
 * Records the versions that run on this data folder from now on: `versions.json`. Call it before any of them starts, and
 * after an upgrade when its checks have passed.
 */
export function recordDataVersions(data: string, versions: Versions): void {
  writeRecord(data, recordOf(versions));
}

/** Replaces the text of {@link versionsFile}. Returns when that is on the disk. */
export function writeRecord(data: string, text: string): void {
  if (readRecord(data) !== text)
    writeFileAtomicallySync(versionsFile(data), text, { mode: 0o600, durable: true });
}

/** The text of {@link versionsFile}; undefined if it is missing or cannot be read. */
export function readRecord(data: string): string | undefined {
  try {
    return readFileSync(versionsFile(data), 'utf8');
  } catch {
    // No record.
    return undefined;
  }
}

/** Whether the cluster of this data folder was in an etcd of others when it ran last: the record has no version of etcd then. */
export function hasExternalEtcd(data: string): boolean {
  const record = parseJson(readRecord(data) ?? '');
  return textAt(record, 'kube-apiserver') !== '' && textAt(record, 'etcd') === '';
}

function hasCluster(data: string, etcd: string): boolean {
  return existsSync(join(etcd, 'member')) || hasExternalEtcd(data);
}

/** The version of Kubernetes that last ran on a data folder; undefined without a record. */
export function recordedKubernetes(data: string): string | undefined {
  return textAt(parseJson(readRecord(data) ?? ''), 'kube-apiserver') || undefined;
}

/**
 * The version of Kubernetes for a start on a node's data when none is requested: the one that last ran on it. Exactly that if its
 * release is in the cache, else its minor version. Undefined without a cluster, and for a version that cannot be installed: what
 * happens then is up to {@link assertDataFits}.
 */
export function versionOfData(node: DataOwner, cacheDir: string): string | undefined {
  const { data, etcd } = nodePaths(node.name, node.dataDir);
  const version = hasCluster(data, etcd) ? recordedKubernetes(data) : undefined;
  const minor = minorOf(version ?? '');
  if (version === undefined || minor === undefined || !isPaired(version)) return undefined;
  return cachedReleases(cacheDir).includes(version) ? version : textOf(minor);
}

/**
 * Refuses data that a newer minor version of Kubernetes or etcd has used, or one that is older by more than one minor
 * version: https://kubernetes.io/releases/version-skew-policy/ and https://etcd.io/docs/latest/upgrades/. Data without a
 * record is taken as it is, and so is data without a cluster.
 * @throws Failure `preflight` with the steps
 */
export function assertDataFits(node: DataOwner, versions: Versions): void {
  const { data } = nodePaths(node.name, node.dataDir);
  for (const { name, owner, last, next } of changesOf(node, versions)) {
    const flaw = flawOf(last, next, { node, name });
    if (flaw === undefined) continue;
    const anew = `start anew: ${nodeCommand('down', node, '--purge')}`;
    throw new Failure(
      'preflight',
      `the data in ${data} is of ${owner} ${last}, and this is ${next}: ${flaw.reason}`,
      { hint: `${flaw.steps}; or ${anew}` },
    );
  }
}

/**
 * Refuses a snapshot that this version of Kubernetes cannot read: see {@link assertDataFits}.
 * @throws Failure `preflight` with the version to take
 */
export function assertSnapshotFits(kubernetes: string, next: string): void {
  const node = { name: 'default' };
  const flaw = flawOf(kubernetes, next, { node, name: 'kube-apiserver' });
  if (flaw === undefined) return;
  throw new Failure(
    'preflight',
    `the snapshot is of Kubernetes ${kubernetes}, and this is ${next}: ${flaw.reason}`,
    { hint: `restore it with its own version: --kubernetes ${textOf(minorOf(kubernetes)!)}` },
  );
}

/** What a start with these versions upgrades to another minor version, such as `etcd 3.4.23 to 3.5.16`; undefined if nothing. */
export function upgradeOf(node: DataOwner, versions: Versions): string | undefined {
  const upgrades = changesOf(node, versions).flatMap(({ owner, last, next }) => {
    const [from, to] = [minorOf(last), minorOf(next)];
    if (from === undefined || to === undefined || isSameMinor(from, to)) return [];
    return `${owner} ${last} to ${next}`;
  });
  return upgrades.length === 0 ? undefined : upgrades.join(' and ');
}

/** What to start so that this version of Kubernetes runs, to paste into a shell. */
export function startWith(node: DataOwner, version: string): string {
  const { major = 0, minor = 0 } = minorOf(version) ?? {};
  return nodeCommand('up', node, '--kubernetes', `${major}.${minor}`);
}

interface Change {
  readonly name: string;
  readonly owner: string;
  /** The recorded version; empty if unknown. */
  readonly last: string;
  readonly next: string;
}

/** The recorded and the next version of each owner. Empty without a cluster. */
function changesOf(node: DataOwner, versions: Versions): Change[] {
  const { data, etcd } = nodePaths(node.name, node.dataDir);
  if (!hasCluster(data, etcd)) return [];
  const record = parseJson(readRecord(data) ?? '');
  return Object.entries(owners).map(([name, owner]) => {
    return { name, owner, last: textAt(record, name), next: versions[name] ?? '' };
  });
}

function flawOf(
  last: string,
  next: string,
  { node, name }: { readonly node: DataOwner; readonly name: string },
): { reason: string; steps: string } | undefined {
  const [from, to] = [minorOf(last), minorOf(next)];
  if (from === undefined || to === undefined || isSameMinor(from, to)) return undefined;
  const isKubernetes = name === 'kube-apiserver';
  const isOlder = to.major < from.major || (to.major === from.major && to.minor < from.minor);
  if (isOlder) {
    return {
      reason: 'an older version cannot read it',
      steps: isKubernetes
        ? `start it with Kubernetes ${textOf(from)} or newer: ${startWith(node, last)}, or --bin-dir`
        : `start it with etcd ${textOf(from)} or newer: --bin-dir with that etcd`,
    };
  }
  if (to.major === from.major && to.minor === from.minor + 1) return undefined;
  const first = textOf({ ...from, minor: from.minor + 1 });
  return {
    reason: 'an upgrade must not skip a minor version',
    steps: isKubernetes
      ? `go through each minor version: ${nodeCommand('upgrade', node, '--to', textOf(to))}`
      : `start it with etcd ${first} first, then with each later minor version: --bin-dir with that etcd`,
  };
}

interface Minor {
  readonly major: number;
  readonly minor: number;
}

/** Undefined unless the text begins like a version. */
function minorOf(version: string): Minor | undefined {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

function isSameMinor(a: Minor, b: Minor): boolean {
  return a.major === b.major && a.minor === b.minor;
}

function textOf({ major, minor }: Minor): string {
  return `${major}.${minor}`;
}
