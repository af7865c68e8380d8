import { chmod, lstat, mkdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Box } from './box.ts';
import { mountTable } from './mount-table.ts';
import { tool } from './tool.ts';
import { shadowTunables } from './tunables.ts';

/** System folders that a node, its pods and the tools it calls write to. */
const systemFolders = ['/etc', '/opt', '/tmp', '/usr', '/var'];

/**
 * Gives this mount namespace its own view: system folders are overlays whose changes stay in memory, /run, /dev/shm
 * and /sys are fresh, the data and run folders are the real ones. Mounts of the host still go away inside when they do
 * on the host, so that the node keeps no disk busy; nothing goes the other way. Ends with everything shared inside, as
 * kubelet and containerd want for mount propagation.
 */
export async function viewOfItsOwn({ run, data, debianTree, also = {} }: Box): Promise<void> {
  const stage = join(run, 'stage');
  await mkdir(stage, { recursive: true });
  await mount('--make-rslave', '/');
  await mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', stage);
  const kept = await aside(stage, { run, data: await realpath(data) });
  const lower = debianTree === undefined ? [] : [await bind(join(debianTree, 'usr'), join(stage, 'tree'))];
  await Promise.all(systemFolders.map((folder) => overlay(stage, folder, folder === '/usr' ? lower : [])));
  await freshSys(stage);
  await mount('-t', 'tmpfs', '-o', 'mode=1777', 'tmpfs', '/dev/shm');
  await shadowTunables(stage);
  // The stage lies below /run, so /run comes last and is filled before it hides the stage.
  const newRun = join(stage, 'run');
  await mkdir(newRun);
  await mount('-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', newRun);
  for (const [path, copy] of kept)
    await bind(copy, path.startsWith('/run/') ? join(stage, path) : path, '--rbind');
  await mount('--rbind', newRun, '/run');
  for (const [path, folder] of Object.entries(also)) {
    await mkdir(folder, { recursive: true });
    await bind(folder, path);
  }
  await mount('--make-rshared', '/');
  // What was opened before is still the host's: look the working folder up anew.
  process.chdir(process.cwd());
}

/** Bind mounts of the folders at places that nothing will hide: path -> copy. */
async function aside(stage: string, folders: Record<string, string>): Promise<[string, string][]> {
  const copies: [string, string][] = [];
  for (const [name, folder] of Object.entries(folders)) {
    copies.push([
      folder,
      await bind(folder, join(stage, `kept-${name}`), name === 'data' ? '--rbind' : '--bind'),
    ]);
  }
  return copies;
}

async function overlay(stage: string, folder: string, below: readonly string[]): Promise<void> {
  const host = await lstat(folder).catch(() => undefined);
  if (!host?.isDirectory()) return;
  const [upper, work] = [join(stage, 'upper', folder), join(stage, 'work', folder)];
  await mkdir(upper, { recursive: true });
  await mkdir(work, { recursive: true });
  // The merged folder has the mode of its upper layer: /tmp is everybody's.
  await chmod(upper, host.mode & 0o7777);
  const lower = [folder, ...below].join(':');
  await mount(
    '-t',
    'overlay',
    '-o',
    `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
    'overlay',
    folder,
  );
}

/** /sys shows the interfaces of the network namespace in which it was mounted; what lies on it (cgroups) moves over. */
async function freshSys(stage: string): Promise<void> {
  const points = (await mountTable())
    .map((entry) => entry.mountPoint)
    .filter((path) => path.startsWith('/sys/'));
  const topmost = points.filter((path) => !points.some((other) => path.startsWith(`${other}/`)));
  const old = await bind('/sys', join(stage, 'sys'), '--rbind');
  await mount('-t', 'sysfs', 'sysfs', '/sys');
  for (const path of new Set(topmost)) {
    if (await stat(path).catch(() => undefined)) await mount('--rbind', join(stage, path), path);
  }
  await mount('--make-rprivate', old);
  await tool('umount', ['--lazy', old]);
}

/** Binds a folder to a place, which is made when missing, and resolves with the place. */
async function bind(folder: string, place: string, how: '--bind' | '--rbind' = '--bind'): Promise<string> {
  await mkdir(place, { recursive: true });
  await mount(how, folder, place);
  return place;
}

async function mount(...args: string[]): Promise<void> {
  await tool('mount', args);
}
