import { stat } from 'node:fs/promises';
import { Unhealthy, type Probe } from '../probe.ts';
import { codeOf } from '../transport/reason.ts';

/** The file exists (a folder does not count) and, with `notEmpty`, holds at least one byte. Links are followed. */
export function file(path: string, { notEmpty = false }: { readonly notEmpty?: boolean } = {}): Probe {
  return async () => {
    const found = await stat(path).catch((error: unknown) => {
      throw new Unhealthy(whyNot(error, path), { cause: error });
    });
    if (found.isDirectory()) throw new Unhealthy(`${path} is a folder`);
    if (notEmpty && found.size === 0) throw new Unhealthy(`${path} is empty`);
  };
}

function whyNot(error: unknown, path: string): string {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `${path} does not exist`;
    case 'EACCES':
      return `no permission to look at ${path}`;
    default:
      return `${path}: ${String(error)}`;
  }
}
