import { mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeConfig } from '../config/schema/node.ts';
import { begin } from '../sandbox/sandbox.ts';
import type { Begun, InTheMaking } from '../sandbox/sandbox.ts';
import type { Entered } from '../sandbox/hold.ts';
import type { Signals } from '../lib/signals.ts';
import { nodePaths } from '../lib/paths.ts';
import { makeBox, toTell } from './launch.ts';
import { insideArgv } from './insideArgv.ts';
import type { UpOptions } from '../supervisor/options.ts';
import type { Plan } from '../supervisor/bootSpec.ts';
import { openListener } from '../supervisor/listener.ts';

/** A node of which nothing is to be kept, whose process has been started in its box. */
export interface ThrowAway {
  readonly begun: Begun;
  /** What it says to people. The file has no name: it goes when the last who has it open does. */
  readonly log: FileHandle;
}

/** Where the data of a throw-away node is: in the run folder, which is removed with the node, however that ends. */
export function ephemeralData(name: string): string {
  return join(nodePaths(name).run, 'data');
}

/** What of a throw-away node has to be known when its process is started. */
interface Beginning {
  readonly name: string;
  readonly listen?: string | undefined;
  readonly signals: Signals;
  /** What else there is where there can be no box. */
  readonly without: string;
}

/** Starts the process of the node in its box, where it waits to be told. */
export async function beginThrowAway({ name, listen, signals, without }: Beginning): Promise<ThrowAway> {
  const log = await anonymousFile(`k8s-single-${name}.log`);
  try {
    const begun = await begin(
      {
        name,
        run: nodePaths(name).run,
        data: ephemeralData(name),
        argv: insideArgv(),
        stdio: ['ignore', 'ignore', log.fd],
        ...(listen !== undefined && { listener: async () => openListener(listen) }),
        without,
      },
      signals,
    );
    return { begun, log };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** Has its box made while the binaries are found: in memory lies all that is large or often written. */
export async function makeThrowAway(begun: Begun, options: UpOptions, node: NodeConfig) {
  const { artifacts } = options;
  if (artifacts !== undefined) await mkdir(artifacts, { recursive: true });
  const { etcd, containerd, kubelet } = nodePaths(node.name, node.dataDir);
  return makeBox(begun, options, node, {
    inMemory: [etcd, containerd, kubelet],
    ...(artifacts === undefined ? {} : { kept: [artifacts] }),
  });
}

/** Tells it the rest. */
export async function tellThrowAway(making: InTheMaking, plan: Plan): Promise<Entered> {
  // Events go to stdout and are not needed: they come through the control socket, too.
  return making.tell(toTell({ ...plan, options: { ...plan.options, output: 'json' } }));
}

async function anonymousFile(name: string): Promise<FileHandle> {
  const path = join(tmpdir(), name);
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  return file;
}
