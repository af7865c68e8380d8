import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { Unhealthy } from '../../probes/probe.ts';
import type { Probe } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { cacheDir } from '../../src/lib/paths.ts';
import { cli } from '../support/cli.ts';
import { processOf, processTable } from '../support/processes.ts';
import type { Process } from '../support/processes.ts';
import { TestNode } from '../support/testNode.ts';

/** Within this time after its cause has ended, every fault is over: the node is ready and acknowledges an object. In ms. */
export const boundMs = 120_000;

/** Size of the data folder's file system. */
const diskMiB = 1500;

/** A command of the product that takes longer hangs. In ms. */
const commandTimeoutMs = 300_000;

/** etcd's quota: small, so that it is reached within seconds. */
const quotaBytes = 48 * 1024 * 1024;

/** A node with a disk, a cache and a copy of its programs of its own, and with a component that logs as fast as it can. */
export class ChaosNode extends TestNode {
  readonly folder: string;
  /** What replaces programs: first in the search. */
  readonly binDir: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(name: string, folder: string) {
    super(name, join(folder, 'disk/data'));
    this.folder = folder;
    this.binDir = join(folder, 'bin');
    this.#env = { XDG_CACHE_HOME: join(folder, 'cache') };
  }

  static async create(name: string): Promise<ChaosNode> {
    const folder = await mkdtemp('/var/tmp/k8s-single-chaos-');
    const node = new ChaosNode(name, folder);
    try {
      await node.#prepare();
    } catch (error) {
      await node.remove();
      throw error;
    }
    return node;
  }

  async #prepare(): Promise<void> {
    const cache = this.cache;
    await Promise.all([mkdir(this.binDir), mkdir(cache, { recursive: true }), mkdir(this.disk)]);
    // Large and never written by a node: the faults are for the rest of the cache.
    for (const part of ['debian', 'kubernetes', 'release'])
      if (existsSync(join(cacheDir(), part))) await symlink(join(cacheDir(), part), join(cache, part));
    const prepared = join(cacheDir(), 'initial-objects');
    if (existsSync(prepared)) await cp(prepared, join(cache, 'initial-objects'), { recursive: true });
    // All of it now: a machine that has no space later would look like a disk that loses what it has acknowledged.
    await execa('fallocate', ['--length', `${diskMiB}MiB`, this.#image]);
    // No blocks that only root may use: the node is root.
    await execa('mkfs.ext4', ['-q', '-m', '0', this.#image]);
    await this.mountDisk();
    await writeFile(this.config, configOf(this.floodFile));
  }

  get disk(): string {
    return join(this.folder, 'disk');
  }

  /** The disk as a file: a file system of a device alone can turn read-only under open files. */
  get #image(): string {
    return join(this.folder, 'disk.img');
  }

  /** Repairs the file system as a machine does at its start, and mounts it. */
  async mountDisk(): Promise<void> {
    const { exitCode, all } = await execa('e2fsck', ['-p', this.#image], { reject: false, all: true });
    // 1: it had errors, which are repaired (e2fsck(8)).
    if (exitCode === undefined || exitCode > 1) throw new Error(`e2fsck exits with ${exitCode}: ${all}`);
    await execa('mount', ['--no-mtab', '-o', 'loop,errors=remount-ro', this.#image, this.disk]);
  }

  /** @throws DeadlineExceeded while somebody has a file of it open */
  async unmountDisk(): Promise<void> {
    const unmounted: Probe = async () => {
      const { exitCode, stderr } = await execa('umount', ['--no-mtab', this.disk], { reject: false });
      // 32: the mount failed, here mostly because it is busy; also when nothing is mounted (mount(8)).
      if (exitCode !== 0 && !/not mounted|no mount point/.test(stderr)) throw new Unhealthy(stderr);
      // A mount namespace of another program keeps a copy of the mount, and with it the file system as it is.
      const { stdout } = await execa('losetup', ['--associated', this.#image]);
      if (stdout !== '') throw new Unhealthy(`another mount namespace has it mounted: ${stdout}`);
    };
    await until(unmounted, { timeoutMs: 20_000 }, new AbortController().signal);
  }

  get config(): string {
    return join(this.folder, 'config.yaml');
  }

  /** While it exists, a component of the node logs as fast as it can. */
  get floodFile(): string {
    return join(this.dataDir, 'flood');
  }

  get cache(): string {
    return join(this.folder, 'cache/k8s-single');
  }

  /** Runs a command for this node, whatever its exit code. */
  command(command: string, ...more: string[]) {
    const options = { env: this.#env, all: true, cwd: this.folder, timeout: commandTimeoutMs } as const;
    return cli(this.args(command, ...more), options);
  }

  start() {
    return this.command(
      'up',
      '--detach',
      '--config',
      this.config,
      '--bin-dir',
      this.binDir,
      '--timeout',
      '90s',
    );
  }

  /** Passes when the whole node is ready. */
  readonly isReady: Probe = async () => {
    const { exitCode, all } = await this.command('healthcheck');
    if (exitCode !== 0) throw new Unhealthy(String(all));
  };

  /** The process on the host of each running component. */
  async components(): Promise<Map<string, Process>> {
    const found = new Map<string, Process>();
    for (const [name, { pid }] of await this.status()) {
      const host = pid === undefined ? undefined : await this.hostPid(pid).then(processOf, () => undefined);
      if (host !== undefined) found.set(name, host);
    }
    return found;
  }

  /** The processes around the components, from the supervisor outwards: init, the holder of the namespaces, shim. */
  async around(): Promise<Process[]> {
    const table = await processTable();
    const supervisor = [...table.values()].find(
      ({ command, cgroups }) =>
        // The command line of init has it, too.
        /^\S*node \S*supervisor\.cjs/.test(command) && cgroups.includes(`k8s-single-${this.name}/`),
    );
    const chain: Process[] = [];
    let next = supervisor;
    while (
      next !== undefined &&
      next.pid !== 1 &&
      next.pid !== process.pid &&
      /supervisor|\bsh\b/.test(next.command)
    ) {
      chain.push(next);
      next = table.get(next.parent);
    }
    return chain;
  }

  /** Whether anything of it runs: after a supervisor that was killed, what stops its components. */
  async isRunning(): Promise<boolean> {
    const processes = [...(await processTable()).values()];
    return processes.some(({ cgroups }) => cgroups.includes(`k8s-single-${this.name}/`));
  }

  /** Takes the node down and removes everything. */
  override async remove(): Promise<void> {
    await this.command('down', '--purge');
    await this.unmountDisk();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function configOf(floodFile: string): string {
  const line =
    'a line of a flood that is as long as those of a program which logs what it does, more or less';
  const script = `while :; do if [ -e ${floodFile} ]; then yes '${line}' | head -c 20000000; else sleep 0.2; fi; done`;
  return `components:
  etcd: { args: [--quota-backend-bytes=${quotaBytes}] }
  flood:
    command: [sh, -c, "${script.replaceAll('"', String.raw`\"`)}"]
    stop: { signal: KILL }
`;
}
