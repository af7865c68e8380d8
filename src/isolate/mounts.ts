import { lstat, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Box } from './box.ts';
import { emptyKernelLog, whyNoKernelLog } from './kernelLog.ts';
import { mountTable } from './mountTable.ts';
import { run as runAll } from './tool.ts';
import type { Argv } from './tool.ts';
import { shadowTunables } from './tunables.ts';

/** System folders that a node, its pods and the tools it calls write to. */
const systemFolders = ['/etc', '/opt', '/tmp', '/usr', '/var'];

/**
 * Gives this mount namespace its own view: system folders are overlays whose changes stay in memory, /run, /dev/shm
 * and /sys are fresh, the run, data and kept folders are the real ones. Mounts of the host still go away inside when they do
 * on the host, so that the node keeps no disk busy; nothing goes the other way. Ends with everything shared inside, as
 * kubelet and containerd want for mount propagation.
 */
export async function viewOfItsOwn(box: Box): Promise<void> {
  const { run, data, kept = [], inMemory = [], debianTree, also = {} } = box;
  const stage = join(run, 'stage');
  const realFolders = [run, ...(await Promise.all([data, ...kept].map(async (folder) => realpath(folder))))];
  const tree = join(stage, 'tree');
  const overlays = systemFolders.map((folder) =>
    overlay(stage, folder, folder === '/usr' && debianTree ? [tree] : []),
  );
  // The stage lies below /run, so the new /run is filled first and then hides it.
  const intoRun = (path: string): string => (path.startsWith('/run/') ? join(stage, path) : path);
  await runAll(
    ['mkdir', '-p', stage],
    tmpfs(stage, '755'),
    ...realFolders.flatMap((folder, index) => bind(folder, join(stage, 'kept', String(index)))),
    ...(debianTree ? bind(join(debianTree, 'usr'), tree) : []),
    ...(await Promise.all(overlays)).flat(),
    ...(await freshSys(join(stage, 'sys'))),
    tmpfs('/dev/shm', '1777'),
    ...shadowTunables(stage),
    ...((await whyNoKernelLog()) === undefined ? [] : emptyKernelLog(stage)),
    ['mkdir', join(stage, 'run')],
    tmpfs(join(stage, 'run'), '755'),
    ...realFolders.flatMap((folder, index) => bind(join(stage, 'kept', String(index)), intoRun(folder))),
    ...inMemory.flatMap((folder) => bind(join(stage, 'memory', folder), intoRun(folder))),
    mount('--rbind', join(stage, 'run'), '/run'),
    ...Object.entries(also).flatMap(([path, folder]) => bind(folder, path)),
    mount('--make-rshared', '/'),
  );
  // What was opened before is still the host's: look the working folder up anew.
  process.chdir(process.cwd());
}

/** An overlay over a folder, on top of what else is `below` it; nothing where the host has no such folder. */
async function overlay(stage: string, folder: string, below: readonly string[]): Promise<Argv[]> {
  const host = await lstat(folder).catch(() => undefined);
  if (!host?.isDirectory()) return [];
  const [upper, work] = [join(stage, 'upper', folder), join(stage, 'work', folder)];
  const options = `lowerdir=${[folder, ...below].join(':')},upperdir=${upper},workdir=${work}`;
  return [
    ['mkdir', '-p', upper, work],
    // The merged folder has the mode of its upper layer: /tmp is everybody's.
    ['chmod', (host.mode & 0o7777).toString(8), upper],
    mount('-t', 'overlay', '-o', options, 'overlay', folder),
  ];
}

/** /sys shows the interfaces of the network namespace in which it was mounted; what lies on it (cgroups) moves over. */
async function freshSys(old: string): Promise<Argv[]> {
  const points = (await mountTable())
    .map((entry) => entry.mountPoint)
    .filter((path) => path.startsWith('/sys/'));
  const topmost = points.filter((path) => !points.some((other) => path.startsWith(`${other}/`)));
  return [
    ...bind('/sys', old, '--rbind'),
    ['umount', '--no-mtab', '--lazy', '/sys'],
    mount('-t', 'sysfs', 'sysfs', '/sys'),
    ...[...new Set(topmost)].map((path) => mount('--rbind', join(old, path.slice('/sys'.length)), path)),
    mount('--make-rprivate', old),
    ['umount', '--no-mtab', '--lazy', old],
  ];
}

/** Binds a folder to a place; both are made when missing. */
function bind(folder: string, place: string, how: '--bind' | '--rbind' = '--bind'): Argv[] {
  return [['mkdir', '-p', folder, place], mount(how, folder, place)];
}

function tmpfs(place: string, mode: string): Argv {
  return mount('-t', 'tmpfs', '-o', `mode=${mode}`, 'tmpfs', place);
}

/** `--no-mtab` keeps mount(8) from making /run/mount on the host. */
function mount(...args: string[]): Argv {
  return ['mount', '--no-mtab', ...args];
}
