import { join } from 'node:path';
import { debianRoot } from '../config/debianRoot.ts';

/** Debian's supervisord with the Python it was built for, independent of the host's packages. */
export interface Supervisor {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export async function supervisor(): Promise<Supervisor> {
  const { root, env } = await debianRoot(['supervisor']);
  const python = { PYTHONHOME: join(root, 'usr'), PYTHONPATH: join(root, 'usr/lib/python3/dist-packages') };
  return {
    file: join(root, 'usr/bin/python3'),
    args: ['-m', 'supervisor.supervisord'],
    env: { ...env, ...python },
  };
}
