import { existsSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { begin } from '../sandbox/sandbox.ts';
import type { Begun } from '../sandbox/sandbox.ts';
import { inContainer } from '../host/preflight.ts';
import { undoMkdir } from '../host/undoMkdir.ts';
import { nodePaths } from '../lib/paths.ts';
import { insideArgv } from './insideArgv.ts';
import type { UpOptions } from '../supervisor/options.ts';

/** What must be known of a node for the process in its box to be started. */
interface Known {
  readonly name: string;
  /** Absolute. */
  readonly dataDir?: string | undefined;
  readonly listen?: string | undefined;
}

/** A node whose process has been started in its box, and waits to be told the rest. */
export interface BegunNode {
  readonly begun: Begun;
  /** With --detach: what it says, from byte `size` on. Closed with {@link leave}. */
  readonly log: Log | undefined;
  /** To be called once in the end, whatever came of it. */
  readonly leave: () => Promise<void>;
}

interface Log {
  readonly file: FileHandle;
  /** Of what was in it before, in bytes. */
  readonly size: number;
  /** Closes it, and removes it when it was made for nothing. */
  readonly close: () => Promise<void>;
}

/** Whether a node with these options has a box, if it is a node at all. */
export function isIsolated(options: UpOptions): boolean {
  return options.host !== true && inContainer() === undefined;
}

/** Starts what runs a node in a box, where it is told what to do. */
export async function beginBox(options: UpOptions, { name, dataDir, listen }: Known): Promise<BegunNode> {
  const { run, data, logs } = nodePaths(name, dataDir);
  const log = options.detach === true ? await openLog(logs) : undefined;
  try {
    const begun = await begin({
      name,
      run,
      data,
      argv: insideArgv(),
      ...(log !== undefined && { stdio: ['ignore', log.file.fd, log.file.fd] as const }),
      ...(listen !== undefined && {
        listener: async () => (await import('../supervisor/listener.ts')).openListener(listen),
      }),
    });
    const leave = async (): Promise<void> => {
      await begun.leave();
      await log?.close();
    };
    return { begun, log, leave };
  } catch (error) {
    await log?.close();
    throw error;
  }
}

async function openLog(logs: string): Promise<Log> {
  const unmake = undoMkdir(logs);
  await mkdir(logs, { recursive: true, mode: 0o700 });
  // Appended to like every log: it may be that of a node that runs already, and it is rotated.
  const path = join(logs, 'supervisor.log');
  const isNew = !existsSync(path);
  const file = await open(path, 'a+', 0o600);
  const close = async (): Promise<void> => {
    const isForNothing = isNew && (await file.stat()).size === 0;
    await file.close();
    if (isForNothing) await rm(path, { force: true });
    unmake();
  };
  return { file, size: (await file.stat()).size, close };
}
