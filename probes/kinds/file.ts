import { stat } from 'node:fs/promises';
import { Unhealthy, type Probe } from '../probe.ts';
import { errorCode } from '../errorCode.ts';

/** Passes when the path is not a folder and exists; with `notEmpty`, also has at least one byte. Symlinks are followed. */
export function file(path: string, { notEmpty = false }: { readonly notEmpty?: boolean } = {}): Probe {
  return async () => {
    const stats = await stat(path).catch((error: unknown) => {
      throw new Unhealthy(whyNot(error, path), { cause: error });
    });
    if (stats.isDirectory()) throw new Unhealthy(`${path} is a folder`);
    if (notEmpty && stats.size === 0) throw new Unhealthy(`${path} is empty`);
  };
}

function whyNot(error: unknown, path: string): string {
  switch (errorCode(error) ?? '') {
    case 'ENOENT':
    case 'ENOTDIR':
      return `${path} does not exist`;
    case 'EACCES':
      return `no permission to access ${path}`;
    default:
      return `${path}: ${String(error)}`;
  }
}
