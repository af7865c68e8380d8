import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { nodeCommand } from '../../lib/commandLine.ts';
import { binaryRows } from '../../install/find/binaryRows.ts';
import type { BinaryRow } from '../../install/find/binaryRows.ts';
import { ok } from '../../host/checkResult.ts';
import type { CheckResult } from '../../host/checkResult.ts';
import { assertCanIsolate, assertRoot, inContainer } from '../../host/preflight.ts';
import { nearestExisting } from '../../host/snapshotter.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { cacheDir, nodePaths } from '../../lib/paths.ts';
import { portHolder } from '../../engine/supervise/ports.ts';
import { checkSafely } from './attempt.ts';
import { checkHost } from './examineHost.ts';
import { binDirsOfEnvironment } from '../../supervisor/options.ts';

export interface DoctorOptions {
  readonly name: string;
  readonly binDir?: readonly string[];
  readonly dataDir?: string;
  readonly host?: boolean;
}

/** A node at rest takes about 1 GiB, and pods want some, too. */
const enoughMemory = 2 * 2 ** 30;
/** etcd, images and logs of a small node, in bytes; the first build of Kubernetes asks for its own. */
const enoughDisk = 2 ** 30;
/** The ports of the components on the node's own address or loopback, with their defaults. */
const ports = [2380, 4001, 6443, 10_248, 10_249, 10_250, 10_256, 10_257, 10_259];

/** Looks at everything that `up` will want, and changes nothing. */
export async function runChecks({ name, binDir = [], dataDir, host }: DoctorOptions): Promise<CheckResult[]> {
  const paths = nodePaths(name, dataDir);
  const container = inContainer();
  const isHere = host === true || container !== undefined;
  const rows = await binaryRows({ binDirs: [...binDir, ...binDirsOfEnvironment()], cacheDir: cacheDir() });
  return [
    await checkSafely('root', async () => {
      assertRoot();
      return ok('root', 'yes');
    }),
    await checkSafely('isolation', async () => {
      if (isHere) return ok('isolation', host === true ? 'off, by --host' : `not needed: ${container}`);
      await assertCanIsolate();
      return ok('isolation', 'namespaces can be made');
    }),
    ...(await checkHost({ name, paths, isDirect: isHere, inContainer: container !== undefined })),
    ...binaries(rows),
    ...(isHere ? await takenPorts() : []),
    await running(name),
    memory(),
    await disk(paths.data),
  ];
}

function binaries(rows: readonly BinaryRow[]): CheckResult[] {
  const bad = rows.filter(({ problem }) => problem !== undefined);
  const summary = ok('binaries', `${rows.length - bad.length} of ${rows.length} found`);
  return [summary, ...bad.map(badBinary)];
}

/** What is merely missing is brought by `up` itself. */
function badBinary({ binary, problem = '', remedy }: BinaryRow): CheckResult {
  const is = problem === 'missing' && existsSync('/usr/bin/apt-get') ? 'note' : 'problem';
  return remedy === undefined
    ? { level: is, subject: binary, message: problem }
    : { level: is, subject: binary, message: problem, remedy };
}

async function takenPorts(): Promise<CheckResult[]> {
  const holders = await Promise.all(ports.map(async (port) => ({ port, holder: await portHolder(port) })));
  const taken = holders.filter(({ holder }) => holder !== undefined);
  if (taken.length === 0) return [ok('ports', 'free')];
  return taken.map(({ port, holder }) => ({
    level: 'problem',
    subject: `port ${port}`,
    message: `held by ${holder}`,
    remedy: 'stop that process, or run without --host',
  }));
}

async function running(name: string): Promise<CheckResult> {
  const node = await readNodeFile(name).catch(() => undefined);
  if (node === undefined) return ok('node', `${name} is not running`);
  return {
    level: 'note',
    subject: 'node',
    message: `${name} is running`,
    remedy: nodeCommand('status', { name }),
  };
}

function memory(): CheckResult {
  const gib = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  if (totalmem() >= enoughMemory) return ok('memory', gib);
  return { level: 'note', subject: 'memory', message: gib, remedy: 'a node and its pods want 2 GiB' };
}

async function disk(data: string): Promise<CheckResult> {
  const { bavail, bsize } = await statfs(nearestExisting(data));
  const found = `${((bavail * bsize) / 2 ** 30).toFixed(1)} GiB free for ${data}`;
  if (bavail * bsize >= enoughDisk) return ok('disk', found);
  return {
    level: 'problem',
    subject: 'disk',
    message: found,
    remedy: 'free some, or choose another place: --data-dir',
  };
}
