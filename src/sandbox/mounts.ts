import { chmodSync, existsSync, lstatSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { namespacesOf, networkFiles } from './sandboxSpec.ts';
import type { SandboxNamespaces, SandboxSpec } from './sandboxSpec.ts';
import { emptyKernelLog, whyNoKernelLog } from '../host/kernelLog.ts';
import { ensurePrivateFolder } from '../lib/atomicFile.ts';
import { mountTable } from '../lib/mountTable.ts';
import type { Snapshotter } from '../host/snapshotter.ts';
import { run as runAll, runAt } from '../host/tool.ts';
import type { Argv } from '../host/tool.ts';
import { copyOf, copyKubeletSysctls, kubeletSysctlFiles } from '../host/kubeletSysctls.ts';

/** System folders that a node, its pods and the tools it calls write to. */
const systemFolders = ['/etc', '/opt', '/tmp', '/usr', '/var'];

/** Those in which pods keep data, by hostPath. What is written to /usr, programs, is not kept: the host updates its own. */
const persistentFolders: ReadonlySet<string> = new Set(['/etc', '/opt', '/tmp', '/var']);

/** In the data folder: the layers `upper` and `work` of the persistent overlays. */
const layersFolder = 'system-folders';

/** What a new start must not find there: what {@link finishSetupInside} writes, results of CNI plugins, locks, sockets. */
const volatilePaths = [
  'etc/hostname',
  'etc/hosts',
  'etc/resolv.conf',
  'var/lib/cni',
  'var/lib/kubelet/device-plugins',
  'var/lock',
  'var/run',
];

/**
 * Whether what a node writes to /etc, /opt, /tmp and /var is kept in its data folder, for the next start. Otherwise it is in
 * memory: if the data folder goes with the node, or its file system cannot have the upper layer of an overlay.
 */
export function keepsSystemFolders({ run, data }: SandboxSpec, snapshotter: Snapshotter): boolean {
  return snapshotter === 'overlayfs' && !data.startsWith(`${run}/`);
}

/**
 * On the host: sets up the mount namespace of a sandbox. System folders are overlays whose changes never reach the host: with
 * `persistent` they are kept in the data folder, except for /usr, else in memory. /run, /dev/shm and /sys are new; the run,
 * data and kept folders are the host's. Unmounts on the host propagate to the inside, so that the node keeps no disk busy;
 * nothing propagates to the host. In the end every mount inside is shared, as kubelet and containerd need for mount
 * propagation. Meanwhile /sys is missing for a moment.
 *
 * cAdvisor measures a disk by statfs(2) on its first mount point, which an overlay may hide. An overlay reports the disk of its
 * upper layer: with `persistent` that is the data folder's, so the kubelet measures the right one. A tmpfs it measures on any of
 * its mount points (GetDirFsDevice in cAdvisor's fs/fs.go); on one that another mount hides it finds no space at all, and the
 * kubelet evicts pods. So the stage goes before /run is mounted over it.
 */
export async function setUpMounts(
  spec: SandboxSpec,
  namespaces: SandboxNamespaces,
  persistent: boolean,
): Promise<void> {
  const { name, run, data, kept = [], tmpfs = [], binds = {}, egress = false } = spec;
  const [stage, next] = [join(run, 'stage'), join(run, 'next')];
  const at = (path: string): string => join(stage, path);
  // The stage lies below /run: fill the new /run first, then mount it over the stage.
  const intoRun = (path: string): string => (path.startsWith('/run/') ? at(path) : path);
  const memory = (folder: string): string => join(at('memory'), folder);
  const real = [run, ...[data, ...kept].map((folder) => realpathSync(folder))];
  const aside = real.map((_, index) => at(`kept/${index}`));
  if (persistent) removeVolatile(data);
  // By the path of the stage: mount(8) cannot quote every character of the data folder's.
  const [, dataAside = ''] = aside;
  const overlaid = systemFolders.flatMap((folder) => {
    if (!persistent || !persistentFolders.has(folder)) return overlay(folder, stage);
    makeLayers(folder, data);
    return overlay(folder, join(dataAside, layersFolder));
  });
  const inStage = overlaid.filter(({ layers }) => layers === stage);
  const sys = mountsBelowSys();
  for (const folder of [stage, next, ...tmpfs, ...Object.values(binds)])
    mkdirSync(folder, { recursive: true });
  const networks = networkFiles(run);
  if (egress) for (const file of Object.values(networks)) writeFileSync(file, '');
  // They have this mode inside, too, whatever the umask.
  for (const folder of Object.values(binds)) chmodSync(folder, 0o755);
  // Differs from the source of every mount of the host: see mountAll.
  const own = `k8s-single-${name}`;
  await runAt(
    { path: namespaces.path, namespaces: namespacesOf(namespaces.pid, 'mnt', 'pid') },
    mount('-t', 'tmpfs', '-o', 'mode=755', own, stage),
    [
      'mkdir',
      '--parents',
      '--mode=755',
      ...aside,
      at('sys'),
      at('run'),
      ...tmpfs.map(memory),
      ...inStage.flatMap(({ upper, work }) => [upper, work]),
    ],
    ...inStage.filter(({ mode }) => mode !== '755').map(({ mode, upper }): Argv => ['chmod', mode, upper]),
    copyKubeletSysctls(stage),
    // sysfs shows the interfaces of the network namespace that mounts it.
    inNetwork(
      mountAll(join(run, 'fstab'), [
        ...real.map((folder, index) => bind(folder, aside[index]!)),
        ...overlaid.map(({ folder, options }): FstabLine => [own, folder, 'overlay', options]),
        // Bring along what is mounted on it (cgroups).
        [own, at('sys'), 'sysfs', 'defaults'],
        ...sys.map((path) => bind(path, at(path), 'rbind')),
        [own, '/dev/shm', 'tmpfs', 'mode=1777'],
        ...kubeletSysctlFiles().map((file) => bind(copyOf(file, stage), file)),
        [own, at('run'), 'tmpfs', 'mode=755'],
      ]),
    ),
    ...(whyNoKernelLog() === undefined ? [] : emptyKernelLog(stage)),
    ['umount', '--no-mtab', '--lazy', '/sys'],
    mount('--move', at('sys'), '/sys'),
    // One by one: mount --all would skip a data folder on its own disk, which is mounted there already, though hidden.
    ...real.map((folder, index) => mount('-o', 'bind,X-mount.mkdir', aside[index]!, intoRun(folder))),
    ...tmpfs.map((folder) => mount('--bind', memory(folder), intoRun(folder))),
    // By a place out of the stage. What was mounted from it stays.
    mount('--move', at('run'), next),
    ['umount', '--no-mtab', '--lazy', stage],
    mount('--move', next, '/run'),
    mountAll(
      join(run, 'fstab.last'),
      Object.entries(binds).map(([path, folder]) => bind(folder, path, 'bind,X-mount.mkdir')),
    ),
    // This shell is in the host's network namespace.
    ...(egress
      ? [
          mountAll(join(run, 'fstab.networks'), [
            bind('/proc/self/ns/net', networks.host),
            bind(networkOfNode, networks.node),
          ]),
        ]
      : []),
    mount('--make-rshared', '/'),
  );
}

/** The network namespace of the init, which is process 1 of its PID namespace. */
const networkOfNode = '/proc/1/ns/net';

/** Runs a command, from the sandbox's PID namespace, in its network namespace as well. */
function inNetwork(command: Argv): Argv {
  return ['nsenter', `--net=${networkOfNode}`, ...command];
}

/** An overlay over a folder, with its upper layer in `layers`. None when the host has no such folder. */
function overlay(folder: string, layers: string) {
  const mode = modeOf(folder);
  if (mode === undefined) return [];
  const [upper, work] = [join(layers, 'upper', folder), join(layers, 'work', folder)];
  // Without these features the host may change a lower layer while the node is down (overlayfs.rst, offline changes).
  const features = 'index=off,metacopy=off,redirect_dir=off';
  const options = `lowerdir=${folder},upperdir=${upper},workdir=${work},${features}`;
  return [{ folder, layers, upper, work, options, mode: mode.toString(8) }];
}

/**
 * In the sandbox: lets the overlays see what the host has replaced in their folders, such as a program by a rename. An overlay
 * keeps the names that it has looked up; a remount makes the kernel drop those that are not in use (shrink_dcache_sb). Never
 * rejects: without it, a restart runs what the last start ran.
 */
export async function refreshSystemFolders(): Promise<void> {
  const overlays = mountTable().filter(
    ({ type, mountPoint }) => type === 'overlay' && systemFolders.includes(mountPoint),
  );
  if (overlays.length === 0) return;
  // With a source, mount(8) takes no options from the host's fstab.
  const remounts = overlays.map(({ mountPoint }) => mount('-o', 'remount,rw', 'k8s-single', mountPoint));
  await runAll(...remounts).catch(() => undefined);
}

/** Of a folder of the host, undefined if it is none. For the upper layer, whose mode is the merged folder's: /tmp is world-writable. */
function modeOf(folder: string): number | undefined {
  const host = lstatSync(folder, { throwIfNoEntry: false });
  return host?.isDirectory() === true ? host.mode & 0o7777 : undefined;
}

/** Makes the layers of a persistent overlay in the data folder. */
function makeLayers(folder: string, data: string): void {
  const mode = modeOf(folder);
  if (mode === undefined) return;
  // Its modes are those of the host's folders.
  ensurePrivateFolder(join(data, layersFolder));
  for (const layer of ['upper', 'work'])
    mkdirSync(join(data, layersFolder, layer, folder), { recursive: true });
  chmodSync(join(data, layersFolder, 'upper', folder), mode);
}

function removeVolatile(data: string): void {
  const upper = join(realpathSync(data), layersFolder, 'upper');
  for (const path of volatilePaths.map((each) => join(upper, each))) {
    const parent = dirname(path);
    // A pod may have put a link there, which must not lead to the host's own files.
    if (existsSync(parent) && realpathSync(parent) === parent) rmSync(path, { recursive: true, force: true });
  }
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

/** `--no-mtab` keeps mount(8) from creating /run/mount on the host. */
function mount(...args: string[]): Argv {
  return ['mount', '--no-mtab', ...args];
}

/** One mount as in fstab(5): source, place, type (`none` for a bind), options. */
type FstabLine = readonly [source: string, place: string, type: string, options: string];

/**
 * Writes the mounts to `file` and returns the one command that makes them all in this order: one mount(8) each would take
 * 2 ms each. mount(8) skips what is mounted already, by source and place, even where another mount hides it. So no line may
 * equal a mount of the host.
 * @internal exported for tests
 */
export function mountAll(file: string, lines: readonly FstabLine[]): Argv {
  writeFileSync(file, lines.map((line) => `${line.map(escape).join(' ')}\n`).join(''));
  return ['mount', '--no-mtab', '--all', '--fstab', file];
}

/** Writes blanks and backslashes as octal escapes. */
function escape(field: string): string {
  return field.replaceAll(
    /[\s\\#]/g,
    (character) => `\\${character.codePointAt(0)!.toString(8).padStart(3, '0')}`,
  );
}
