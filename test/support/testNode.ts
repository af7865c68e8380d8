import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli } from './cli.ts';

interface ComponentStatus {
  readonly name: string;
  readonly state: string;
  readonly reason: string | null;
  readonly pid?: number;
  readonly restarts: number;
}

/** The services of a node. The node must survive the death of each. */
export const nodeServices: readonly string[] = [
  'etcd',
  'containerd',
  'apiserver',
  'controller-manager',
  'scheduler',
  'kubelet',
  'kube-proxy',
  'dns',
];

const dataFolders = { parent: '/var/tmp', prefix: 'k8s-single-test-' };

/** A real node under test, controlled through the command line alone. */
export class TestNode {
  readonly name: string;
  readonly dataDir: string;

  /** `name` must be unique in the suite, so that the node of a failed test cannot disturb the next test. */
  constructor(name: string, dataDir = join(dataFolders.parent, `${dataFolders.prefix}${name}`)) {
    this.name = name;
    this.dataDir = dataDir;
  }

  /** The arguments of a command for this node. */
  args(command: string, ...more: string[]): string[] {
    const dataDir = command === 'up' || command === 'down' ? ['--data-dir', this.dataDir] : [];
    return [command, '--name', this.name, ...dataDir, ...more];
  }

  /** Runs a command and resolves with its stdout. @throws Error with all output unless it exits with 0 */
  async run(command: string, ...more: string[]): Promise<string> {
    const result = await cli(this.args(command, ...more), { all: true });
    if (result.exitCode === 0) return String(result.stdout);
    throw new Error(
      `k8s-single ${command} ${more.join(' ')} exited with ${result.exitCode}:\n${String(result.all)}`,
    );
  }

  async up(...more: string[]): Promise<string> {
    return this.run('up', '--detach', '--output', 'plain', ...more);
  }

  async status(): Promise<Map<string, ComponentStatus>> {
    const { stdout } = await cli(this.args('status', '--output', 'json'));
    const { components } = JSON.parse(String(stdout)) as { components: ComponentStatus[] };
    return new Map(components.map((component) => [component.name, component]));
  }

  async kubectl(...args: string[]): Promise<string> {
    return this.run('kubectl', '--', ...args);
  }

  async apply(...objects: object[]): Promise<void> {
    const list = { apiVersion: 'v1', kind: 'List', items: objects };
    const result = await cli(this.args('kubectl', '--', 'apply', '-f', '-'), {
      input: JSON.stringify(list),
      all: true,
    });
    if (result.exitCode !== 0) throw new Error(String(result.all));
  }

  get containerdSocket(): string {
    return nodePaths(this.name, this.dataDir).containerdSocket;
  }

  /** Sends SIGKILL to a process, given its pid inside the node. */
  async killInside(pid: number): Promise<void> {
    process.kill(await this.hostPid(pid), 'SIGKILL');
  }

  /** The pid on the host of the process with this pid inside the node. Searches the node's cgroup. */
  async hostPid(pidInside: number): Promise<number> {
    const [hierarchy] = hierarchies();
    const group = join(hierarchy!.root, nodeCgroup(this.name), 'supervisor/cgroup.procs');
    for (const candidate of (await readFile(group, 'utf8')).trim().split('\n')) {
      const status = await readFile(`/proc/${candidate}/status`, 'utf8').catch(() => '');
      const pids = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
      if (pids.length > 1 && Number(pids.at(-1)) === pidInside) return Number(candidate);
    }
    throw new Error(`no process of node ${this.name} has pid ${pidInside} inside`);
  }

  /** Stops the node, whatever its state, and removes its data. */
  async remove(): Promise<void> {
    await this.run('down', '--purge');
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** Removes the nodes of a run that was killed: a cluster with its objects would be used again. */
export async function removeEarlierNodes(): Promise<void> {
  const names = await readdir(dataFolders.parent);
  for (const name of names.filter((each) => each.startsWith(dataFolders.prefix)))
    await new TestNode(name.slice(dataFolders.prefix.length)).remove();
}
