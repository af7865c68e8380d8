import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import { nodePaths } from '../../src/lib/paths.ts';
import { cli } from './cli.ts';

interface StatusOfOne {
  readonly name: string;
  readonly state: string;
  readonly pid?: number;
  readonly restarts: number;
}

/** The processes of a node, each of which it must outlive. */
export const nodeServices: readonly string[] = [
  'etcd',
  'containerd',
  'apiserver',
  'controller-manager',
  'scheduler',
  'kubelet',
  'kube-proxy',
];

/** A real node under test, driven by nothing but the command line. */
export class TestNode {
  readonly name: string;
  readonly dataDir: string;

  /** `name` is unique in the suite: nodes of a failed test must not be in the way of the next. */
  constructor(name: string) {
    this.name = name;
    this.dataDir = join('/var/tmp', `k8s-single-test-${name}`);
  }

  /** The arguments that make a command speak of this node. */
  args(command: string, ...more: string[]): string[] {
    const place = command === 'up' || command === 'down' ? ['--data-dir', this.dataDir] : [];
    return [command, '--name', this.name, ...place, ...more];
  }

  /** @throws Error with all that was printed unless it exits 0. */
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

  async status(): Promise<Map<string, StatusOfOne>> {
    const { stdout } = await cli(this.args('status', '--output', 'json'));
    const { components } = JSON.parse(String(stdout)) as { components: StatusOfOne[] };
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

  /** kill -9 of a process by the pid it has inside the node. */
  async killInside(pid: number): Promise<void> {
    process.kill(await this.hostPid(pid), 'SIGKILL');
  }

  /** The pid on the host of the process that has `inside` inside the node. Found through the node's cgroup. */
  async hostPid(inside: number): Promise<number> {
    const [hierarchy] = hierarchies();
    const group = join(hierarchy!.root, nodeCgroup(this.name), 'supervisor/cgroup.procs');
    for (const candidate of (await readFile(group, 'utf8')).trim().split('\n')) {
      const status = await readFile(`/proc/${candidate}/status`, 'utf8').catch(() => '');
      const pids = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
      if (pids.length > 1 && Number(pids.at(-1)) === inside) return Number(candidate);
    }
    throw new Error(`no process of node ${this.name} has pid ${inside} inside`);
  }

  /** Takes it down, whatever state it is in, with its data. */
  async remove(): Promise<void> {
    await this.run('down', '--purge');
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
