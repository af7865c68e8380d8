import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Result } from 'execa';
import { expect, onTestFinished } from 'vitest';
import { cli, main, tempDir } from './cli.ts';

export interface GraphOptions {
  /** The config's keys other than `components`, as YAML. */
  readonly settings?: string;
  /** Added to the environment of the supervisor. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files in the folder of the config, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A graph without Kubernetes under `up`, controlled through the command line alone. It is stopped at the end of the test. */
export class Graph {
  readonly name: string;
  readonly dir: string;
  readonly dataDir: string;
  readonly #up: ReturnType<typeof startUp>;

  constructor(name: string, dir: string, env: Readonly<Record<string, string>>) {
    this.name = name;
    this.dir = dir;
    this.dataDir = join(dir, 'data');
    this.#up = startUp(name, join(dir, 'graph.yaml'), env);
  }

  /** The supervisor's pid. */
  get pid(): number {
    return this.#up.pid!;
  }

  /** Runs a command for this node and resolves with its result, whatever the exit code. */
  async run(command: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const { exitCode, stdout, stderr } = await cli([command, '--name', this.name, ...args]);
    return { code: exitCode!, stdout: String(stdout), stderr: String(stderr) };
  }

  /** As {@link run}, also for a node that may be down. */
  async runOnData(command: string, ...args: string[]): ReturnType<Graph['run']> {
    return this.run(command, '--data-dir', this.dataDir, ...args);
  }

  async ready(): Promise<this> {
    const { code, stderr } = await this.run('status', '--wait', '--timeout', '60s');
    expect(code, stderr).toBe(0);
    return this;
  }

  async states(): Promise<Record<string, string>> {
    const { components } = JSON.parse((await this.run('status', '--output', 'json')).stdout) as {
      components: { name: string; state: string }[];
    };
    return Object.fromEntries(components.map(({ name, state }) => [name, state]));
  }

  /** Stops `up` with SIGTERM and resolves with its result. */
  async down(): Promise<Result> {
    this.#up.kill('SIGTERM');
    return this.#up as never;
  }

  /** Waits until `up` exits by itself, and resolves with its result. */
  async exited(): Promise<Result> {
    return this.#up as never;
  }
}

function startUp(name: string, config: string, env: Readonly<Record<string, string>>) {
  return execa(process.execPath, [main, 'up', '--name', name, '--config', config, '--output', 'plain'], {
    env,
    stdin: 'ignore',
    reject: false,
  });
}

/** Starts a graph. `name` must be unique in the suite. */
export async function graph(
  name: string,
  components: string,
  { settings = '', env = {}, files = {} }: GraphOptions = {},
): Promise<Graph> {
  const dir = await tempDir(name);
  await writeFile(
    join(dir, 'graph.yaml'),
    `name: ${name}\ndataDir: ${join(dir, 'data')}\nkubernetes: false\n${settings}\ncomponents:\n${components}`,
  );
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  const started = new Graph(name, dir, env);
  onTestFinished(async () => {
    await started.down();
    await rm(dir, { recursive: true, force: true });
  });
  return started;
}
