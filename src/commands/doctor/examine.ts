import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { nodeCommand } from '../../lib/commandLine.ts';
import { binaryRows } from '../../install/find/binaryRows.ts';
import type { BinaryRow } from '../../install/find/binaryRows.ts';
import { fine } from '../../host/checkResult.ts';
import type { Finding } from '../../host/checkResult.ts';
import { assertCanIsolate, assertRoot, inContainer } from '../../host/preflight.ts';
import { existing } from '../../host/snapshotter.ts';
import { readNodeFile } from '../../instance/nodeFile.ts';
import { cacheDir, nodePaths } from '../../lib/paths.ts';
import { portHolder } from '../../engine/supervise/ports.ts';
import { attempt } from './attempt.ts';
import { examineMachine } from './examineHost.ts';
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
export async function examine({ name, binDir = [], dataDir, host }: DoctorOptions): Promise<Finding[]> {
  const paths = nodePaths(name, dataDir);
  const container = inContainer();
  const isHere = host === true || container !== undefined;
  const rows = await binaryRows({ binDirs: [...binDir, ...binDirsOfEnvironment()], cacheDir: cacheDir() });
  return [
    await attempt('root', async () => {
      assertRoot();
      return fine('root', 'yes');
    }),
    await attempt('isolation', async () => {
      if (isHere) return fine('isolation', host === true ? 'off, by --host' : `not needed: ${container}`);
      await assertCanIsolate();
      return fine('isolation', 'namespaces can be made');
    }),
    ...(await examineMachine({ name, paths, isHere, inContainer: container !== undefined })),
    ...binaries(rows),
    ...(isHere ? await takenPorts() : []),
    await running(name),
    memory(),
    await disk(paths.data),
  ];
}

function binaries(rows: readonly BinaryRow[]): Finding[] {
  const bad = rows.filter(({ problem }) => problem !== undefined);
  const summary = fine('binaries', `${rows.length - bad.length} of ${rows.length} found`);
  return [summary, ...bad.map(badBinary)];
}

/** What is merely missing is brought by `up` itself. */
function badBinary({ binary, problem = '', mend }: BinaryRow): Finding {
  const is = problem === 'missing' && existsSync('/usr/bin/apt-get') ? 'note' : 'problem';
  return mend === undefined
    ? { is, what: binary, found: problem }
    : { is, what: binary, found: problem, mend };
}

async function takenPorts(): Promise<Finding[]> {
  const holders = await Promise.all(ports.map(async (port) => ({ port, holder: await portHolder(port) })));
  const taken = holders.filter(({ holder }) => holder !== undefined);
  if (taken.length === 0) return [fine('ports', 'free')];
  return taken.map(({ port, holder }) => ({
    is: 'problem',
    what: `port ${port}`,
    found: `held by ${holder}`,
    mend: 'stop that process, or run without --host',
  }));
}

async function running(name: string): Promise<Finding> {
  const node = await readNodeFile(name).catch(() => undefined);
  if (node === undefined) return fine('node', `${name} is not running`);
  return { is: 'note', what: 'node', found: `${name} is running`, mend: nodeCommand('status', { name }) };
}

function memory(): Finding {
  const gib = `${(totalmem() / 2 ** 30).toFixed(1)} GiB`;
  if (totalmem() >= enoughMemory) return fine('memory', gib);
  return { is: 'note', what: 'memory', found: gib, mend: 'a node and its pods want 2 GiB' };
}

async function disk(data: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(existing(data));
  const found = `${((bavail * bsize) / 2 ** 30).toFixed(1)} GiB free for ${data}`;
  if (bavail * bsize >= enoughDisk) return fine('disk', found);
  return { is: 'problem', what: 'disk', found, mend: 'free some, or choose another place: --data-dir' };
}
