import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Command, Service } from '../../engine/component.ts';
import { reasonOf } from '../../lib/errors.ts';
import type { ComponentSpec } from '../schema/componentSpec.ts';
import { idsOf } from './user.ts';

/** What a config says of a process. */
type ProcessSpec = Pick<ComponentSpec, 'command' | 'args' | 'env' | 'envFile' | 'cwd' | 'user'>;

/**
 * The command of a component: what the config gives, on top of `base`, a built-in's own. Files and users are looked up at
 * each start. Relative folders and files are relative to `dir`, the config's folder.
 */
export function commandOf(spec: ProcessSpec, dir: string, base?: Service['command']): () => Promise<Command> {
  return async () => {
    const { env: own, ...command } =
      typeof base === 'function' ? await base() : (base ?? { file: '', args: [] });
    const replaced = spec.command === undefined ? command : { ...command, ...programOf(spec.command) };
    return {
      ...replaced,
      args: [...replaced.args, ...(spec.args ?? [])],
      env: { ...own, ...(await envOf(spec.envFile ?? [], dir)), ...spec.env },
      ...(spec.cwd === undefined ? {} : { cwd: resolve(dir, spec.cwd) }),
      ...(spec.user === undefined ? {} : await idsOf(spec.user)),
    };
  };
}

/** A text is for the shell, a list is not. */
function programOf(command: string | readonly string[]): Pick<Command, 'file' | 'args'> {
  if (typeof command === 'string') return { file: '/bin/sh', args: ['-c', command] };
  const [file = '', ...args] = command;
  return { file, args };
}

/** The variables of all files; where two give the same one, the later counts. */
async function envOf(files: readonly string[], dir: string): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const file of files) {
    const text = await textOf(resolve(dir, file)).catch((error: unknown) => {
      throw new Error(`cannot read the envFile: ${reasonOf(error)}`, { cause: error });
    });
    Object.assign(all, parseEnv(text));
  }
  return all;
}

/** A pipe would keep the start waiting for whoever writes into it, for ever at worst; opened so it waits for nobody. */
async function textOf(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is not a file`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
