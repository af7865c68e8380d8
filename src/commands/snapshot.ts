import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { client } from '../control/client.ts';
import { assertRoot } from '../host/preflight.ts';
import { run as runTool } from '../host/tool.ts';
import { ifRunning, locateNode } from '../instance/locateNode.ts';
import { NodeLocks } from '../instance/nodeLocks.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { activeUnit } from '../instance/unit.ts';
import type { Binaries } from '../install/install.ts';
import { minorOf } from '../install/release/pairings.ts';
import { assertSnapshotFits, readRecord } from '../kubernetes/dataVersions.ts';
import { nodeEnvironment } from '../kubernetes/environment.ts';
import { readPassphrase } from '../kubernetes/snapshots/passphrase.ts';
import type { EtcdProgram } from '../kubernetes/snapshots/privateEtcd.ts';
import { withEtcd } from '../kubernetes/snapshots/privateEtcd.ts';
import { restoreSnapshot } from '../kubernetes/snapshots/restore.ts';
import {
  checkSnapshot,
  nameByTime,
  openSnapshot,
  packed,
  removeSnapshots,
  snapshotName,
  snapshotNameForm,
  snapshotPath,
  storedSnapshots,
  writeSnapshot,
} from '../kubernetes/snapshots/snapshotFile.ts';
import type { StoredSnapshot } from '../kubernetes/snapshots/snapshotFile.ts';
import { snapshotLines } from '../kubernetes/snapshots/snapshotLines.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure } from '../lib/errors.ts';
import { assertReplaceable } from '../lib/outputFile.ts';
import { programFile } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { table } from '../lib/text/table.ts';
import { formatBytes } from '../lib/text/text.ts';
import { loadNodeConfig } from '../supervisor/options.ts';
import type { UpOptions } from '../supervisor/options.ts';
import { resolveBinaries } from '../supervisor/resolveBinaries.ts';
import { down } from './down.ts';
import { runCommand } from './run/runCommand.ts';

/** The options of a node whose config says where its snapshots are, and which etcd it has. */
type NodeOptions = Pick<UpOptions, 'config' | 'name' | 'dataDir' | 'binDir' | 'kubernetes'>;

interface SaveOptions extends NodeOptions {
  /** Where to write it, instead of the folder for snapshots; `-`: stdout. */
  readonly output?: string;
  readonly passphraseFile?: string;
}

/** `k8s-single snapshot save [NAME]`: takes a snapshot of a node that is up or down, and prints its path. */
export async function saveSnapshot(
  name: string = nameByTime(new Date()),
  { output, passphraseFile, ...options }: SaveOptions,
): Promise<number> {
  assertRoot();
  assertName(name);
  const toStdout = output === '-';
  if (toStdout && process.stdout.isTTY)
    throw new Failure('usage', 'a snapshot is not for a terminal', { hint: 'write it to a file: --output' });
  using signals = new Signals();
  const { interrupted } = signals;
  const { folder, paths, node } = await placesOf(options);
  const passphrase = passphraseFile === undefined ? undefined : readPassphrase(passphraseFile);
  const file =
    output === undefined || toStdout ? snapshotPath(folder, name, passphrase !== undefined) : resolve(output);
  if (!toStdout) assertReplaceable(file);
  if (output === undefined && (await storedSnapshots(folder)).some((each) => each.name === name))
    throw new Failure('usage', `there is a snapshot ${name} already: ${file}`, {
      hint: 'choose another name',
    });
  const take = async (lines: AsyncIterable<string>): Promise<void> => {
    if (toStdout)
      await pipeline(await packed(lines, passphrase), process.stdout, { signal: interrupted, end: false });
    else await writeSnapshot(file, lines, passphrase, interrupted);
  };
  if ((await ifRunning(async () => readNodeFile(node))) !== undefined)
    await take(client(paths.controlSocket).snapshot(interrupted));
  else await withStoppedNode(options, interrupted, take);
  if (!toStdout) console.log(file);
  return exitCodes.ok;
}

/** Takes the snapshot of a node that is down, from an etcd that runs for that long. */
async function withStoppedNode(
  options: NodeOptions,
  signal: AbortSignal,
  take: (lines: AsyncIterable<string>) => Promise<void>,
): Promise<void> {
  const { paths, node } = await placesOf(options);
  if (!existsSync(`${paths.etcd}/member`) || readRecord(paths.data) === undefined) {
    throw new Failure('preflight', `${paths.data} has no data of a cluster`, {
      hint: `start the node, and take it then: ${nodeCommand('up', { name: node, dataDir: paths.data })}`,
    });
  }
  await withLocks({ name: node, paths }, signal, async () => {
    const { program } = await etcdOf(options, signal);
    await withEtcd(program, paths.etcd, signal, async (etcd, running) =>
      take(snapshotLines({ node, data: paths.data, etcd }, running)),
    );
  });
}

/** `k8s-single snapshot ls`: the name, time and size of each snapshot of a node, the oldest first. */
export async function listSnapshots(options: NodeOptions): Promise<number> {
  const { folder } = await placesOf(options);
  const rows = (await storedSnapshots(folder)).map(({ name, time, size, isEncrypted }) => [
    name,
    timeText(time),
    formatBytes(size),
    isEncrypted ? 'encrypted' : '',
  ]);
  for (const line of table(rows, { columns: [{}, {}, { align: 'right', minWidth: 8 }] })) console.log(line);
  return exitCodes.ok;
}

/** `k8s-single snapshot rm NAME...`: removes snapshots of a node. */
export async function removeNamed(names: readonly string[], options: NodeOptions): Promise<number> {
  assertRoot();
  const { folder } = await placesOf(options);
  const stored = await storedSnapshots(folder);
  const chosen = names.map((name) => named(name, stored, folder));
  await removeSnapshots(chosen);
  for (const { name } of chosen) console.log(name);
  return exitCodes.ok;
}

interface RestoreOptions extends NodeOptions {
  readonly passphraseFile?: string;
}

/**
 * `k8s-single snapshot restore NAME|FILE`: puts a snapshot in the place of a node's cluster. A node that is up is stopped for it and
 * started again as it was. Nothing changes unless the whole snapshot can be read.
 */
export async function restoreNamed(
  source: string,
  { passphraseFile, ...options }: RestoreOptions,
): Promise<number> {
  assertRoot();
  using signals = new Signals();
  const { folder, paths, node } = await placesOf(options);
  const file = await fileOf(source, folder);
  const passphrase = passphraseFile === undefined ? undefined : readPassphrase(passphraseFile);
  const header = await signals.interruptible(checkSnapshot({ file, passphrase }));
  // All that can be wrong is found before the node is stopped.
  const versions: Record<string, string> = JSON.parse(header.versions);
  const { 'kube-apiserver': kubernetes = '' } = versions;
  const hasData = readRecord(paths.data) !== undefined;
  const { program, binaries } = await etcdOf(
    { ...(hasData ? {} : { kubernetes: `1.${minorOf(kubernetes)}` }), ...options },
    signals.interrupted,
  );
  assertSnapshotFits(kubernetes, binaries.versions['kube-apiserver']);
  const running = await ifRunning(async () => readNodeFile(node));
  const start = await stopToStartAgain(node, running, signals);
  let code: number = exitCodes.ok;
  try {
    await withLocks({ name: node, paths }, signals.interrupted, async () => {
      const { objects } = await restoreSnapshot(await openSnapshot({ file, passphrase }), {
        data: paths.data,
        program,
        versions: { ...versions, etcd: binaries.versions.etcd },
        signal: signals.interrupted,
      });
      const { node: from, created } = header;
      const time = timeText(new Date(created));
      console.error(`restored ${objects} objects of node ${from}, Kubernetes ${kubernetes}, as of ${time}`);
    });
  } finally {
    // Also with the old data, if it failed.
    if (start !== undefined) code = await start();
  }
  if (start === undefined)
    console.error(`start it: ${nodeCommand('up', { name: node, dataDir: paths.data })}`);
  return code;
}

/** Stops the node if it runs. Resolves with what starts it again as it was. */
async function stopToStartAgain(
  name: string,
  running: NodeFile | undefined,
  signals: Signals,
): Promise<(() => Promise<number>) | undefined> {
  const unit = await activeUnit(name);
  if (running === undefined && unit === undefined) return undefined;
  const { up } = running ?? {};
  if (unit === undefined && up === undefined) {
    throw new Failure(
      'preflight',
      `node ${name} runs in a container, in memory or with --host: it is not stopped`,
      {
        hint: `stop it, restore, and start it again: ${nodeCommand('down', { name })}`,
      },
    );
  }
  await down({ name });
  if (unit !== undefined) {
    return async () => {
      await runTool(['systemctl', 'start', unit.name]);
      return exitCodes.ok;
    };
  }
  const { signal } = new AbortController();
  return async () =>
    runCommand([process.execPath, programFile('main'), 'up', '--detach', ...(up ?? [])], {
      env: {},
      signals,
      signal,
    });
}

/** Where a node and its snapshots are. */
async function placesOf(
  options: NodeOptions,
): Promise<{ readonly node: string; readonly paths: Paths; readonly folder: string }> {
  const { node } = await loadNodeConfig(options);
  const paths = await locateNode(node);
  const running = await ifRunning(async () => readNodeFile(node.name));
  return { node: node.name, paths, folder: node.snapshots.dir ?? running?.snapshots ?? paths.snapshots };
}

/** The etcd that the node has. */
async function etcdOf(
  options: NodeOptions,
  signal: AbortSignal,
): Promise<{ readonly program: EtcdProgram; readonly binaries: Binaries }> {
  const { node } = await loadNodeConfig(options);
  const resolution = { output: 'auto', source: 'auto', install: true } as const;
  const binaries = await resolveBinaries(resolution, node, signal);
  const { searchPath } = binaries;
  const env = nodeEnvironment(process.env, { searchPath, snapshotter: 'native' });
  return { program: { file: binaries.files.etcd, env }, binaries };
}

/** Does something with the data of a node that is down, and that nobody starts meanwhile. */
async function withLocks(
  { name, paths: { run, data } }: { readonly name: string; readonly paths: Paths },
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  const locks = new NodeLocks();
  try {
    await locks.acquireNode(name, run, signal);
    await locks.acquireData(name, data);
    await work();
  } finally {
    locks.release();
  }
}

/** The file of a snapshot, by its name or path. */
async function fileOf(source: string, folder: string): Promise<string> {
  if (source.includes('/') || existsSync(source)) return resolve(source);
  return named(source, await storedSnapshots(folder), folder).file;
}

function named(name: string, stored: readonly StoredSnapshot[], folder: string): StoredSnapshot {
  const found = stored.find((each) => each.name === name);
  if (found !== undefined) return found;
  const there = stored.length === 0 ? 'it has none' : `it has ${stored.map((each) => each.name).join(', ')}`;
  throw new Failure('usage', `there is no snapshot ${name} in ${folder}`, { hint: there });
}

function assertName(name: string): void {
  if (!snapshotName.test(name))
    throw new Failure('usage', `${name} is no name for a snapshot: expected ${snapshotNameForm}`);
}

/** In UTC, as the names. */
function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
