import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { namespacesOf } from './sandboxSpec.ts';
import type { Box, Inside } from './sandboxSpec.ts';
import { mountAll } from './fstab.ts';
import type { FstabLine } from './fstab.ts';
import { emptyKernelLog, whyNoKernelLog } from '../host/kernelLog.ts';
import { mountTable } from '../host/mountTable.ts';
import { runAt } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';
import { copyOf, copyKubeletSysctls, kubeletSysctlFiles } from '../host/tunables.ts';

/** System folders that a node, its pods and the tools it calls write to. */
const systemFolders = ['/etc', '/opt', '/tmp', '/usr', '/var'];

/**
 * On the host: gives the mount namespace of the processes inside its own view. System folders are overlays whose changes stay in
 * memory, /run, /dev/shm and /sys are fresh, the run, data and kept folders are the real ones. Mounts of the host still go away
 * inside when they do on the host, so that the node keeps no disk busy; nothing goes the other way. Ends with everything shared
 * inside, as kubelet and containerd want for mount propagation. For a moment there is no /sys.
 */
export async function viewOfItsOwn(box: Box, inside: Inside): Promise<void> {
  const { name, run, data, kept = [], inMemory = [], debianTree, also = {} } = box;
  const stage = join(run, 'stage');
  const at = (path: string): string => join(stage, path);
  // The stage lies below /run, so the new /run is filled first and then hides it.
  const intoRun = (path: string): string => (path.startsWith('/run/') ? at(path) : path);
  const memory = (folder: string): string => join(at('memory'), folder);
  const real = [run, ...[data, ...kept].map((folder) => realpathSync(folder))];
  const aside = real.map((_, index) => at(`kept/${index}`));
  const overlaid = systemFolders.flatMap((folder) => overlay(stage, folder, debianTree));
  const sys = mountsBelowSys();
  for (const folder of [stage, ...inMemory, ...Object.values(also)]) mkdirSync(folder, { recursive: true });
  // Unlike the source of any mount of the host: see mountAll.
  const own = `k8s-single-${name}`;
  await runAt(
    { path: inside.path, namespaces: namespacesOf(inside.pid, 'mnt', 'pid', 'net') },
    mount('-t', 'tmpfs', '-o', 'mode=755', own, stage),
    [
      'mkdir',
      '--parents',
      '--mode=755',
      ...aside,
      at('tree'),
      at('sys'),
      at('run'),
      ...inMemory.map(memory),
      ...overlaid.flatMap(({ upper, work }) => [upper, work]),
    ],
    // The merged folder has the mode of its upper layer: /tmp is everybody's.
    ...overlaid.filter(({ mode }) => mode !== '755').map(({ mode, upper }): Argv => ['chmod', mode, upper]),
    copyKubeletSysctls(stage),
    mountAll(join(run, 'fstab'), [
      ...real.map((folder, index) => bind(folder, aside[index]!)),
      ...(debianTree === undefined ? [] : [bind(join(debianTree, 'usr'), at('tree'))]),
      ...overlaid.map(({ folder, options }): FstabLine => [own, folder, 'overlay', options]),
      // It shows the interfaces of the network namespace in which it is mounted; what lies on it (cgroups) comes along.
      [own, at('sys'), 'sysfs', 'defaults'],
      ...sys.map((path) => bind(path, at(path), 'rbind')),
      [own, '/dev/shm', 'tmpfs', 'mode=1777'],
      ...kubeletSysctlFiles().map((file) => bind(copyOf(file, stage), file)),
      [own, at('run'), 'tmpfs', 'mode=755'],
    ]),
    ...(whyNoKernelLog() === undefined ? [] : emptyKernelLog(stage)),
    ['umount', '--no-mtab', '--lazy', '/sys'],
    mount('--move', at('sys'), '/sys'),
    // One by one: a data folder on a disk of its own is mounted there already, though hidden.
    ...real.map((folder, index) => mount('-o', 'bind,X-mount.mkdir', aside[index]!, intoRun(folder))),
    mountAll(join(run, 'fstab.last'), [
      ...inMemory.map((folder) => bind(memory(folder), intoRun(folder))),
      bind(at('run'), '/run', 'rbind'),
      ...Object.entries(also).map(([path, folder]) => bind(folder, path, 'bind,X-mount.mkdir')),
    ]),
    mount('--make-rshared', '/'),
  );
}

/** An overlay over a folder, over /usr on top of what the Debian tree has; nothing where the host has no such folder. */
function overlay(stage: string, folder: string, debianTree: string | undefined) {
  const host = lstatSync(folder, { throwIfNoEntry: false });
  if (!host?.isDirectory()) return [];
  const [upper, work] = [join(stage, 'upper', folder), join(stage, 'work', folder)];
  const lower = folder === '/usr' && debianTree !== undefined ? [folder, join(stage, 'tree')] : [folder];
  const options = `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work}`;
  return [{ folder, upper, work, options, mode: (host.mode & 0o7777).toString(8) }];
}

/** The topmost mounts on /sys. */
function mountsBelowSys(): string[] {
  const points = mountTable()
    .map((entry) => entry.mountPoint)
    .filter((path) => path.startsWith('/sys/'));
  return [...new Set(points)].filter((path) => !points.some((other) => path.startsWith(`${other}/`)));
}

function bind(folder: string, place: string, how = 'bind'): FstabLine {
  return [folder, place, 'none', how];
}

/** `--no-mtab` keeps mount(8) from making /run/mount on the host. */
function mount(...args: string[]): Argv {
  return ['mount', '--no-mtab', ...args];
}
