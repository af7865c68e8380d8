import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Result } from 'execa';
import { expect, onTestFinished } from 'vitest';
import { cli, main, tempDir } from './cli.ts';

export interface GraphOptions {
  /** The config's keys beside `components`, as YAML. */
  readonly knobs?: string;
  /** Added to the supervisor's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files beside the config, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** A graph without Kubernetes that runs under `up`, driven by nothing but the command line. It ends with the test. */
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

  /** The same of a node that may be down. */
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

  /** Takes it down and resolves with how `up` ended. */
  async down(): Promise<Result> {
    this.#up.kill('SIGTERM');
    return this.#up as never;
  }

  /** How `up` ends by itself. */
  async ended(): Promise<Result> {
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

/** Brings a graph up; `name` is unique in the suite. */
export async function graph(
  name: string,
  components: string,
  { knobs = '', env = {}, files = {} }: GraphOptions = {},
): Promise<Graph> {
  const dir = await tempDir(name);
  await writeFile(
    join(dir, 'graph.yaml'),
    `name: ${name}\ndataDir: ${join(dir, 'data')}\nkubernetes: false\n${knobs}\ncomponents:\n${components}`,
  );
  for (const [file, text] of Object.entries(files)) await writeFile(join(dir, file), text);
  const made = new Graph(name, dir, env);
  onTestFinished(async () => {
    await made.down();
    await rm(dir, { recursive: true, force: true });
  });
  return made;
}
