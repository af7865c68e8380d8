import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PermanentFailure, Unhealthy } from '../../probes/probe.ts';
import { parseJson, textAt } from '../../probes/transport/json.ts';
import { until } from '../../probes/until.ts';
import { defaults } from '../config/schema/defaults.ts';
import { client } from '../control/client.ts';
import { toFailure } from '../host/checkResult.ts';
import { checkDataFolder, checkDataOwner, checkDataPath } from '../host/preflight.ts';
import { assertRoot } from '../host/root.ts';
import { run as runTool } from '../host/tool.ts';
import { ifRunning } from '../instance/locateNode.ts';
import { assertNotOrphaned } from '../instance/lifeState.ts';
import { NodeLocks } from '../instance/nodeLocks.ts';
import { readNodeFile } from '../instance/nodeFile.ts';
import type { NodeFile } from '../instance/nodeFile.ts';
import { activeUnit, unitDataDir } from '../instance/unit.ts';
import { systemPath } from '../install/find/findBinaries.ts';
import { minorOf } from '../install/release/pairings.ts';
import { scheduledPrefix } from '../kubernetes/components/snapshots.ts';
import { settleUpgrade } from '../kubernetes/dataUpgrade.ts';
import {
  assertDataFits,
  assertSnapshotFits,
  hasExternalEtcd,
  readRecord,
  startWith,
  upgradeOf,
} from '../kubernetes/dataVersions.ts';
import type { Versions } from '../kubernetes/dataVersions.ts';
import { nodeEnvironment } from '../kubernetes/environment.ts';
import { readPassphrase } from '../kubernetes/snapshots/passphrase.ts';
import type { EtcdProgram } from '../kubernetes/snapshots/privateEtcd.ts';
import { withEtcd } from '../kubernetes/snapshots/privateEtcd.ts';
import { completeRestore } from '../kubernetes/snapshots/completeRestore.ts';
import { prepareRestore, restoreSnapshot } from '../kubernetes/snapshots/restore.ts';
import { checkSnapshot, openSnapshot, packed, writeSnapshot } from '../kubernetes/snapshots/snapshotFile.ts';
import {
  nameByTime,
  removeSnapshots,
  snapshotName,
  snapshotNameForm,
  snapshotPath,
  storedSnapshots,
} from '../kubernetes/snapshots/store.ts';
import type { StoredSnapshot } from '../kubernetes/snapshots/store.ts';
import { revisionOf } from '../kubernetes/snapshots/revision.ts';
import { snapshotLines } from '../kubernetes/snapshots/snapshotLines.ts';
import { nodeCommand } from '../lib/commandLine.ts';
import { exitCodes, Failure, reasonOf } from '../lib/errors.ts';
import { assertReplaceable } from '../lib/outputFile.ts';
import { nodePaths, programFile } from '../lib/paths.ts';
import type { Paths } from '../lib/paths.ts';
import { Signals } from '../lib/signals.ts';
import { isSystemError } from '../lib/systemError.ts';
import { table } from '../lib/text/table.ts';
import { formatBytes } from '../lib/text/text.ts';
import type { NodeStatus } from '../observe/state/status.ts';
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
  givenName: string | undefined,
  { output, ...options }: SaveOptions,
): Promise<number> {
  assertRoot();
  if (givenName !== undefined) assertName(givenName);
  if (givenName !== undefined && output !== undefined)
    throw new Failure('usage', 'a snapshot has a name in its folder, or is written with --output, not both');
  const name = givenName ?? nameByTime(new Date());
  const toStdout = output === '-';
  if (toStdout && process.stdout.isTTY)
    throw new Failure('usage', 'a snapshot is not for a terminal', { hint: 'write it to a file: --output' });
  using signals = new Signals();
  const { interrupted } = signals;
  const { folder, paths, node, running, passphrase: readIt } = await placesOf(options);
  const passphrase = readIt();
  const file =
    output === undefined || toStdout ? snapshotPath(folder, name, passphrase !== undefined) : resolve(output);
  if (!toStdout) assertReplaceable(file);
  if (output === undefined && (await storedSnapshots(folder)).some((each) => each.name === name))
    throw new Failure('usage', `there is a snapshot ${name} already: ${file}`, {
      hint: 'choose another name',
    });
  const take = async (lines: AsyncIterable<string>): Promise<void> => {
    if (toStdout) await writeToStdout(await packed(lines, passphrase), interrupted);
    else await writeSnapshot(file, lines, passphrase, interrupted);
  };
  if (running === undefined) await withStoppedNode(options, { node, paths }, interrupted, take);
  else await take(client(paths.controlSocket).snapshot(interrupted));
  if (!toStdout) console.log(file);
  return exitCodes.ok;
}

async function writeToStdout(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  await pipeline(bytes, process.stdout, { signal, end: false }).catch((cause: unknown) => {
    if (!isSystemError(cause)) throw cause;
    throw new Failure('usage', `cannot write to stdout: ${reasonOf(cause)}`, { cause });
  });
}

/** Takes the snapshot of a node that is down, from an etcd that runs for that long. */
async function withStoppedNode(
  options: NodeOptions,
  { node, paths }: Pick<Places, 'node' | 'paths'>,
  signal: AbortSignal,
  take: (lines: AsyncIterable<string>) => Promise<void>,
): Promise<void> {
  const { data, etcd: etcdData } = paths;
  if (!existsSync(join(etcdData, 'member')) || readRecord(data) === undefined) {
    throw new Failure('preflight', `${data} has no data of a cluster`, {
      hint: `start the node, and take it then: ${nodeCommand('up', { name: node, dataDir: data })}`,
    });
  }
  await withLocks({ name: node, paths }, signal, async () => {
    const { program, versions } = await installedEtcd(options, data, signal);
    const owner = { name: node, dataDir: data };
    assertDataFits(owner, versions);
    const upgrade = upgradeOf(owner, versions);
    if (upgrade !== undefined) {
      throw new Failure(
        'preflight',
        `the data in ${data} is of other versions: this would upgrade ${upgrade}`,
        {
          hint: `take the snapshot while it runs: ${startWith(owner, versionsIn(readRecord(data))['kube-apiserver'] ?? '')}`,
        },
      );
    }
    await withEtcd(program, etcdData, signal, async (etcd, running) =>
      take(snapshotLines({ node, data, etcd }, running)),
    );
  });
}

/** `k8s-single snapshot ls`: the name, time and size of each snapshot of a node, the oldest first. */
export async function listSnapshots(options: NodeOptions): Promise<number> {
  assertRoot();
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
export async function restoreNamed(source: string, options: RestoreOptions): Promise<number> {
  assertRoot();
  using signals = new Signals();
  const { interrupted } = signals;
  const { folder, paths, node, running, passphrase: readIt } = await placesOf(options);
  const passphrase = readIt();
  const file = await fileOf(source, folder);
  const header = await signals.interruptible(checkSnapshot({ file, passphrase }));
  // All that can be wrong is found before the node is stopped.
  const versions = versionsIn(header.versions);
  const { 'kube-apiserver': kubernetes = '' } = versions;
  const etcd =
    running === undefined
      ? await installedEtcd(options, paths.data, interrupted, `1.${minorOf(kubernetes)}`)
      : etcdOf(running, paths);
  assertSnapshotFits(kubernetes, etcd.versions['kube-apiserver'] ?? '');
  const seen = running === undefined ? undefined : await revisionOfRunning(paths, interrupted);
  const restored = async (place: typeof restoreSnapshot, present: bigint | undefined): Promise<void> => {
    const { objects } = await place(await openSnapshot({ file, passphrase }), {
      data: paths.data,
      program: etcd.program,
      versions: { ...versions, etcd: etcd.versions['etcd'] ?? '' },
      present,
      signal: interrupted,
    });
    const { node: from, created } = header;
    const time = timeText(new Date(created));
    console.error(`restored ${objects} objects of node ${from}, Kubernetes ${kubernetes}, as of ${time}`);
  };
  if (running?.restartsItself === true && (await activeUnit(node)) === undefined) {
    await restored(prepareRestore, seen);
    await restartNode(node, paths, interrupted);
    return exitCodes.ok;
  }
  const start = await stopToStartAgain(node, running);
  const restore = async (): Promise<void> => {
    const present = seen ?? (await revisionOfStopped(etcd, { name: node, dataDir: paths.data }, interrupted));
    await restored(restoreSnapshot, present);
  };
  try {
    await withLocks({ name: node, paths }, interrupted, restore);
  } catch (error) {
    // With the old data.
    await start?.().catch((cause: unknown) =>
      console.error(`node ${node} does not start: ${reasonOf(cause)}`),
    );
    throw error;
  }
  if (start !== undefined) return start();
  console.error(`start it: ${nodeCommand('up', { name: node, dataDir: paths.data })}`);
  return exitCodes.ok;
}

/** How long the process of a node may take from the end of the node to its next start, in ms. */
const startsWithinMs = 5000;

/** Starts a node again in its own process. Resolves when it is ready. */
async function restartNode(name: string, { controlSocket, run }: Paths, signal: AbortSignal): Promise<void> {
  const node = client<NodeStatus>(controlSocket);
  console.error(`starting node ${name} again`);
  await node.restartNode(signal);
  let absentSince: number | undefined;
  const isReady = async (attempt: AbortSignal): Promise<void> => {
    absentSince = existsSync(run) ? undefined : (absentSince ?? performance.now());
    if (performance.now() - (absentSince ?? Infinity) > startsWithinMs)
      throw new PermanentFailure('its process has ended');
    const { ready, state } = await node.status(attempt);
    if (!ready) throw new Unhealthy(`it is ${state}`);
  };
  await until(isReady, { timeoutMs: defaults.timeouts.boot, maxPeriodMs: 500 }, signal).catch(
    (cause: unknown) => {
      signal.throwIfAborted();
      throw new Failure(
        'notReady',
        `node ${name} is not ready with the restored cluster: ${reasonOf(cause)}`,
        {
          hint: `see why: ${nodeCommand('status', { name })}; what was there before is in the folder replaced of its data`,
          cause,
        },
      );
    },
  );
  console.error(`node ${name} is ready`);
}

/** The revision of the cluster, which no client may see again. Undefined if it does not say, as a damaged one. */
async function revisionOfRunning({ controlSocket }: Paths, signal: AbortSignal): Promise<bigint | undefined> {
  try {
    for await (const line of client(controlSocket).snapshot(signal))
      return BigInt(textAt(parseJson(line), 'revision'));
  } catch {
    signal.throwIfAborted();
  }
  return undefined;
}

async function revisionOfStopped(
  { program, versions }: NodeEtcd,
  owner: { readonly name: string; readonly dataDir: string },
  signal: AbortSignal,
): Promise<bigint | undefined> {
  const { etcd } = nodePaths(owner.name, owner.dataDir);
  // Another version would change the data, which stays if the restore fails.
  if (!existsSync(join(etcd, 'member')) || upgradeOf(owner, versions) !== undefined) return undefined;
  return withEtcd(program, etcd, signal, revisionOf).catch(() => {
    signal.throwIfAborted();
    return undefined;
  });
}

/** Stops the node if it runs. Resolves with what starts it again as it was. */
async function stopToStartAgain(
  name: string,
  running: NodeFile | undefined,
): Promise<(() => Promise<number>) | undefined> {
  const unit = await activeUnit(name);
  if (running === undefined && unit === undefined) return undefined;
  const { up } = running ?? {};
  if (unit === undefined && up === undefined) {
    throw new Failure('preflight', `node ${name} runs in memory: it is not stopped`, {
      hint: `stop it, restore, and start it again: ${nodeCommand('down', { name })}`,
    });
  }
  await down({ name });
  if (unit !== undefined) {
    return async () => {
      await runTool(['systemctl', 'start', unit.name]);
      return exitCodes.ok;
    };
  }
  // Also after Ctrl-C, which has ended the restore.
  const signals = { handleWith: () => undefined };
  const { signal } = new AbortController();
  const argv = [process.execPath, programFile('main'), 'up', '--detach', ...(up ?? [])] as const;
  return async () => runCommand(argv, { env: {}, signals, signal });
}

/** Where a node and its snapshots are. */
interface Places {
  readonly node: string;
  readonly paths: Paths;
  /** Of its snapshots. */
  readonly folder: string;
  readonly running: NodeFile | undefined;
  /** @throws Failure `usage` if its file cannot be read */
  readonly passphrase: () => string | undefined;
}

/** What is not in the options says the running node, its config or its unit. */
async function placesOf({
  passphraseFile,
  ...options
}: NodeOptions & { readonly passphraseFile?: string }): Promise<Places> {
  const { node } = await loadNodeConfig(options);
  const { name, etcd } = node;
  const running = await ifRunning(async () => readNodeFile(name));
  const dataDir = node.dataDir ?? running?.dataDir ?? unitDataDir(name);
  if (running !== undefined && dataDir !== undefined && resolve(dataDir) !== running.dataDir) {
    throw new Failure('usage', `node ${name} runs with its data in ${running.dataDir}, not in ${dataDir}`, {
      hint: 'leave out --data-dir, or name another node: --name',
    });
  }
  const paths = nodePaths(name, dataDir);
  const isExternal =
    running === undefined
      ? etcd.endpoints !== undefined || hasExternalEtcd(paths.data)
      : running.kubectl !== undefined && running.etcd === undefined;
  if (isExternal) {
    throw new Failure(
      'usage',
      `the cluster of node ${name} is in an etcd of others, which has its own snapshots`,
      {
        hint: 'take them with "etcdctl snapshot save", and keep the folder pki of the node with them',
      },
    );
  }
  const { dir = paths.snapshots, passphraseFile: configured } = { ...running?.snapshots, ...node.snapshots };
  const secret = passphraseFile ?? configured;
  const passphrase = () => (secret === undefined ? undefined : readPassphrase(secret));
  return { node: name, paths, folder: dir, running, passphrase };
}

/** An etcd, and the versions of the node's programs by name. */
interface NodeEtcd {
  readonly program: EtcdProgram;
  readonly versions: Versions;
}

function etcdProgram(file: string, searchPath: string): EtcdProgram {
  return { file, env: nodeEnvironment(process.env, { searchPath, snapshotter: 'native' }) };
}

/** The etcd of a node that runs. */
function etcdOf({ name, etcd }: NodeFile, { data }: Paths): NodeEtcd {
  if (etcd === undefined) throw withoutCluster(name);
  return { program: etcdProgram(etcd, systemPath()), versions: versionsIn(readRecord(data)) };
}

/**
 * The etcd with which a node that is down would start.
 * @param preferred the version of Kubernetes to take if neither the options nor data say one
 */
async function installedEtcd(
  options: NodeOptions,
  dataDir: string,
  signal: AbortSignal,
  preferred?: string,
): Promise<NodeEtcd> {
  const { node } = await loadNodeConfig(options);
  if (node.kubernetes === false) throw withoutCluster(node.name);
  const hasData = readRecord(dataDir) !== undefined;
  const kubernetes = node.kubernetes ?? (hasData ? undefined : preferred);
  const resolution = { output: 'auto', source: 'auto', install: true } as const;
  const wanted = { ...node, dataDir, ...(kubernetes !== undefined && { kubernetes }) };
  const { files, searchPath, versions } = await resolveBinaries(resolution, wanted, signal);
  return { program: etcdProgram(files.etcd, searchPath), versions };
}

/** What versions.json has. */
function versionsIn(text = ''): Versions {
  return Object.fromEntries(Object.entries(parseJson(text) ?? {}));
}

function withoutCluster(name: string): Failure {
  return new Failure('usage', `node ${name} is a graph without Kubernetes: it has no snapshots`);
}

/** Does something with the data of a node that is down, and that nobody starts meanwhile. What was interrupted is completed first. */
async function withLocks(
  { name, paths: { run, data } }: { readonly name: string; readonly paths: Paths },
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  for (const result of [checkDataPath(data), checkDataFolder(data), checkDataOwner(data)])
    if (result.level === 'problem') throw toFailure(result);
  const locks = new NodeLocks();
  try {
    await locks.acquireNode(name, run, signal);
    await assertNotOrphaned(name);
    await locks.acquireData(name, data);
    await completeRestore(data);
    await settleUpgrade({ name, dataDir: data });
    await work();
  } finally {
    locks.release();
  }
}

/** The file of a snapshot, by its name or path. */
async function fileOf(source: string, folder: string): Promise<string> {
  if (source.includes('/')) return resolve(source);
  const stored = await storedSnapshots(folder);
  const isFile = !stored.some(({ name }) => name === source) && existsSync(source);
  return isFile ? resolve(source) : named(source, stored, folder).file;
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
  if (name.startsWith(scheduledPrefix))
    throw new Failure('usage', `a name that begins with ${scheduledPrefix} is for those of the schedule`);
}

/** In UTC, as the names. */
function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
