import { join } from 'node:path';
import { debianRoot } from '../config/debianRoot.ts';

/** What starts Debian's own supervisord, with the Python it was made for, and nothing of the machine's. */
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
