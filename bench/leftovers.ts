import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCgroup } from '../src/host/cgroup/nodeCgroup.ts';
import { hierarchies } from '../src/host/cgroup/hierarchies.ts';
import { mountsBelow } from '../src/host/mountTable.ts';
import { nodeName, paths } from './place.ts';

/**
 * Rejects with what is left of the node when there is anything but its data. Its cgroup stands for its processes: it cannot
 * be removed while one of them lives.
 */
export async function nothingLeft(): Promise<void> {
  const groups = hierarchies().map(({ root }) => join(root, nodeCgroup(nodeName)));
  const mounts = [...(await mountsBelow(paths.run)), ...(await mountsBelow(paths.data))];
  const left = [paths.run, ...groups].filter((path) => existsSync(path));
  const found = [...left, ...mounts, ...(await interfaces())];
  if (found.length > 0) throw new Error(`this is left of the node: ${found.join(', ')}`);
}

async function interfaces(): Promise<string[]> {
  const folder = '/sys/class/net';
  const names = await readdir(folder);
  const aliases = await Promise.all(
    names.map(async (name) => readFile(join(folder, name, 'ifalias'), 'utf8').catch(() => '')),
  );
  return names.filter((_, index) => aliases[index]?.trim() === `k8s-single node ${nodeName}`);
}
