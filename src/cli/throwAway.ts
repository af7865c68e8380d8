import { mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enter } from '../isolate/enter.ts';
import type { Entered } from '../isolate/enter.ts';
import type { Signals } from '../isolate/signals.ts';
import { nodePaths } from '../paths.ts';
import { boxFor } from './box.ts';
import type { UpOptions } from './options.ts';
import type { Plan } from './plan.ts';

/** A node of which nothing is to be kept, in its box. */
export interface ThrowAway {
  readonly entered: Entered;
  /** What it says to people. The file has no name: it goes when the last who has it open does. */
  readonly log: FileHandle;
}

/** Where the data of a throw-away node is: in the run folder, which is removed with the node, however that ends. */
export function throwAwayData(name: string): string {
  return join(nodePaths(name).run, 'data');
}

/** Starts the node in a box, in whose memory all lies that is large or often written. */
export async function enterThrowAway(
  options: UpOptions,
  { config, binaries, signals }: Omit<Plan, 'options'> & { signals: Signals },
): Promise<ThrowAway> {
  const { artifacts } = options;
  const { node } = config;
  const { etcd, containerd, kubelet } = nodePaths(node.name, node.dataDir);
  if (artifacts !== undefined) await mkdir(artifacts, { recursive: true });
  // Events go to stdout and are not needed: they come through the control socket, too.
  const upOptions: UpOptions = { ...options, output: 'json' };
  const log = await anonymousFile(`k8s-single-${node.name}.log`);
  try {
    const entered = await enter(
      {
        ...boxFor({ options: upOptions, config, binaries }, [
          ...process.argv.slice(1, 2),
          ...upArguments(upOptions),
        ]),
        inMemory: [etcd, containerd, kubelet],
        ...(artifacts === undefined ? {} : { kept: [artifacts] }),
        stdio: ['ignore', 'ignore', log.fd],
      },
      signals,
    );
    return { entered, log };
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function anonymousFile(name: string): Promise<FileHandle> {
  const path = join(tmpdir(), name);
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  return file;
}

/** The command line of the same node in its box. */
function upArguments(options: UpOptions): string[] {
  const { name, dataDir, config, timeout, artifacts, binDir = [], source, install, output } = options;
  const values = { name, 'data-dir': dataDir, config, timeout, artifacts, source };
  const given = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [`--${key}`, value],
  );
  const folders = binDir.flatMap((dir) => ['--bin-dir', dir]);
  return [
    'up',
    '--throw-away',
    '--output',
    output,
    ...given,
    ...folders,
    ...(install ? [] : ['--no-install']),
  ];
}
