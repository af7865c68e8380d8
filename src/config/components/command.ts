import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnvFile } from '../envFile.ts';
import type { Command, Service } from '../../engine/component.ts';
import { reasonOf } from '../../lib/errors.ts';
import type { ComponentSpec } from '../schema/componentSpec.ts';
import { lookUpUser } from './user.ts';

/** The keys that describe a process. */
type ProcessSpec = Pick<ComponentSpec, 'command' | 'args' | 'env' | 'envFile' | 'workingDir' | 'user'>;

/**
 * A function that makes a component's command: the given keys on top of `base`, the command of a built-in component. It reads
 * envFiles and looks up the user at each start. Relative paths start from `dir`, the directory of the config.
 */
export function commandFactory(
  spec: ProcessSpec,
  dir: string,
  base?: Service['command'],
): () => Promise<Command> {
  return async () => {
    const { env: baseEnv, ...command } =
      typeof base === 'function' ? await base() : (base ?? { file: '', args: [] });
    const replaced = spec.command === undefined ? command : { ...command, ...programOf(spec.command) };
    return {
      ...replaced,
      args: [...replaced.args, ...(spec.args ?? [])],
      env: { ...baseEnv, ...(await readEnvFiles(spec.envFile ?? [], dir)), ...spec.env },
      ...(spec.workingDir === undefined ? {} : { cwd: resolve(dir, spec.workingDir) }),
      ...(spec.user === undefined ? {} : await lookUpUser(spec.user)),
    };
  };
}

/** Runs a text with the shell, a list directly. */
function programOf(command: string | readonly string[]): Pick<Command, 'file' | 'args'> {
  if (typeof command === 'string') return { file: '/bin/sh', args: ['-c', command] };
  const [file = '', ...args] = command;
  return { file, args };
}

/** The variables of all files; later files take precedence. */
async function readEnvFiles(files: readonly string[], dir: string): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const file of files) {
    const text = await readRegularFile(resolve(dir, file)).catch((error: unknown) => {
      throw new Error(`cannot read the envFile: ${reasonOf(error)}`, { cause: error });
    });
    Object.assign(all, parseEnvFile(text));
  }
  return all;
}

/** Refuses a FIFO, which could block the start for ever; O_NONBLOCK keeps the open itself from blocking. */
async function readRegularFile(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is not a regular file`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
