import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { parse } from 'yaml';

interface Step {
  readonly id?: string;
  readonly name: string;
  readonly if?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** The content of action.yml. */
interface Action {
  readonly inputs: Readonly<Record<string, { readonly description: string; readonly default: string }>>;
  readonly outputs: Readonly<Record<string, { readonly description: string; readonly value: string }>>;
  readonly runs: { readonly using: string; readonly steps: readonly Step[] };
}

export async function readAction(): Promise<Action> {
  return parse(await readFile('action.yml', 'utf8')) as Action;
}

/** Runs single steps of the action, one after the other, as GitHub's runner does in a job. */
export class Job {
  readonly temp: string;
  readonly #inputs: Readonly<Record<string, string>>;
  readonly #outputs = new Map<string, string>();
  /** The environment that earlier steps set for later ones. */
  readonly env: Record<string, string> = {};

  private constructor(temp: string, inputs: Readonly<Record<string, string>>) {
    this.temp = temp;
    this.#inputs = inputs;
  }

  static async start(folder: string, inputs: Readonly<Record<string, string>>): Promise<Job> {
    const defaults = Object.entries((await readAction()).inputs).map(([name, input]) => [
      name,
      input.default,
    ]);
    return new Job(await mkdtemp(join(folder, 'runner-')), { ...Object.fromEntries(defaults), ...inputs });
  }

  /** Runs the script of the step with this name. @throws Error with its output unless it exits with 0 */
  async run(name: string): Promise<string> {
    const step = (await readAction()).runs.steps.find((each) => each.name === name);
    if (step?.run === undefined) throw new Error(`action.yml has no step with a script named ${name}`);
    const files = ['GITHUB_OUTPUT', 'GITHUB_ENV', 'GITHUB_PATH'].map(
      (file) => [file, join(this.temp, file)] as const,
    );
    for (const [, file] of files) await writeFile(file, '');
    const stepEnv = Object.entries(step.env ?? {}).map(([key, value]) => [key, this.expand(value)]);
    const env = { ...this.env, ...Object.fromEntries([...stepEnv, ...files]), RUNNER_TEMP: this.temp };
    // https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax: `shell: bash`.
    const { all } = await execa('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', step.run], {
      env,
      all: true,
    });
    const [output, environment, path] = await Promise.all(
      files.map(async ([, file]) => readFile(file, 'utf8')),
    );
    for (const [key, value] of assignments(output))
      this.#outputs.set(`steps.${step.id}.outputs.${key}`, value);
    Object.assign(this.env, Object.fromEntries(assignments(environment)));
    const paths = (path ?? '').split('\n').filter(Boolean);
    this.env['PATH'] = [...paths, this.env['PATH'] ?? process.env['PATH']].join(':');
    return all;
  }

  /** An output of the action. */
  async output(name: string): Promise<string> {
    return this.expand((await readAction()).outputs[name]?.value ?? '');
  }

  private expand(text: string): string {
    return text.replaceAll(/\$\{\{ (\S+) \}\}/g, (_, reference: string) =>
      reference.startsWith('inputs.')
        ? (this.#inputs[reference.slice('inputs.'.length)] ?? '')
        : (this.#outputs.get(reference) ?? ''),
    );
  }
}

function assignments(text = ''): [string, string][] {
  const lines = text.split('\n').filter(Boolean);
  return lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]);
}
