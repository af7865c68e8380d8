import { existsSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../probes/errorCode.ts';
import { undoMkdir } from '../host/undoMkdir.ts';
import { Failure, reasonOf } from '../lib/errors.ts';
import { tempDir } from '../lib/paths.ts';

/** The file that a supervisor without a terminal writes its output to. */
export interface SupervisorLog {
  /** What the supervisor gets as stdout and stderr. */
  readonly outputs: readonly [number | 'ignore', number];
  /** What was written since it was opened, also when the file has been removed. */
  readonly text: () => Promise<string>;
  /** Closes it, and removes what was made in vain. */
  readonly close: () => Promise<void>;
}

/** `supervisor.log` in the log folder. @throws Failure `preflight` if it cannot be written. */
export async function openSupervisorLog(logs: string): Promise<SupervisorLog> {
  const path = join(logs, 'supervisor.log');
  return openIn(logs, path).catch((error: unknown) => {
    if (errorCode(error) === undefined) throw error;
    throw new Failure('preflight', `the log ${path} cannot be written: ${reasonOf(error)}`, {
      hint: 'remove what is in the way, or free some space',
      cause: error,
    });
  });
}

async function openIn(logs: string, path: string): Promise<SupervisorLog> {
  const removeFolders = undoMkdir(logs);
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const isNew = !existsSync(path);
  // Appended to, like every log, because it is rotated.
  const file = await open(path, 'a+', 0o600);
  return logIn(file, [file.fd, file.fd], (await file.stat()).size, async () => {
    const isInVain = isNew && (await file.stat()).size === 0;
    await file.close();
    if (isInVain) await rm(path, { force: true });
    removeFolders();
  });
}

/**
 * A file without a name: it goes with the last process that has it open. It has the messages for people, not the events, which would
 * be on stdout: whoever starts such a node gets them through its control socket.
 */
export async function openAnonymousLog(name: string): Promise<SupervisorLog> {
  const path = join(tempDir(), `k8s-single-${name}.log`);
  const file = await open(path, 'wx+', 0o600);
  await rm(path);
  return logIn(file, ['ignore', file.fd], 0, async () => file.close());
}

function logIn(
  file: FileHandle,
  outputs: SupervisorLog['outputs'],
  begin: number,
  close: () => Promise<void>,
): SupervisorLog {
  const text = async (): Promise<string> => {
    const { size } = await file.stat();
    // Shorter than before: it was rotated.
    const position = begin > size ? 0 : begin;
    // One byte more, as an empty buffer is refused.
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(size - position + 1), position });
    return buffer.toString('utf8', 0, bytesRead).trimEnd();
  };
  return { outputs, text, close };
}
