import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../probes/kinds/parseProbe.ts';
import { complete } from '../../src/cli/completion/candidates.ts';
import { program } from '../../src/cli/program.ts';
import { debianRoot } from '../config/debianRoot.ts';
import { cli } from '../support/cli.ts';
import { graph } from '../support/graph.ts';
import { programFolder, shellOnTerminal } from './shells.ts';
import type { Shell } from './shells.ts';

const names = {
  nodes: async () => ['default', 'ci'],
  components: async (name = 'default') => [`${name}-etcd`, `${name}-kubelet`],
};

async function after(typed: string): Promise<readonly string[] | string> {
  const found = await complete(program(), typed.split(' '), names);
  return typeof found === 'string' ? found : found.map(({ value }) => value);
}

describe('what can come next', () => {
  it('is every command, but none that is hidden', async () => {
    const commands = await after('');
    const { commands: defined } = program();
    expect(commands).toEqual([
      ...defined.map((each) => each.name()).filter((name) => name !== '__complete'),
      'help',
    ]);
    expect(await after('st')).toEqual(['status', 'stop', 'start']);
    expect(await after('image l')).toEqual(['load', 'ls']);
  });

  it('is the options of the command that was typed', async () => {
    expect(await after('restart --')).toEqual(['--name', '--timeout', '--cascade', '--help']);
    expect(await after('--v')).toEqual(['--version']);
    expect(await after('status --name x --wa')).toEqual(['--wait', '--watch']);
  });

  it('is what an option takes', async () => {
    expect(await after('timeline --output ')).toEqual(['text', 'svg', 'trace']);
    expect(await after('timeline --output=t')).toEqual(['--output=text', '--output=trace']);
    expect(await after('status --name ')).toEqual(['default', 'ci']);
    expect(await after('status --name=c')).toEqual(['--name=ci']);
    expect(await after('up --config ')).toBe('files');
    expect(await after('up --data-dir x')).toBe('folders');
    expect(await after('up --timeout ')).toEqual([]);
  });

  it('is the components of the node that is meant, each once', async () => {
    expect(await after('restart ')).toEqual(['default-etcd', 'default-kubelet']);
    expect(await after('restart --name ci ci-k')).toEqual(['ci-kubelet']);
    expect(await after('logs --name=ci -f ci-etcd ')).toEqual(['ci-kubelet']);
    expect(await after('restart a ')).toEqual([]);
  });

  it('is every kind of probe, then what only the person knows', async () => {
    expect(await after('probe ')).toEqual(Object.keys(kinds));
    expect(await after('probe http ')).toBe('files');
  });

  it("is another program's affair behind --", async () => {
    expect(await after('kubectl --name ci -- get --')).toBe('files');
  });
});

/** The same on a real terminal; `a` must be the only component. */
async function completes(shell: Shell): Promise<void> {
  expect(await shell.tab('k8s-single timel')).toBe('k8s-single timeline ');
  expect(await shell.tab('k8s-single timeline --output=s')).toBe('k8s-single timeline --output=svg ');
  expect(await shell.tab('k8s-single timeline --output tr')).toBe('k8s-single timeline --output trace ');
  expect(await shell.tab('k8s-single logs --fo')).toBe('k8s-single logs --follow ');
  expect(await shell.tab('k8s-single restart alp')).toBe('k8s-single restart alpha ');
  expect(await shell.tab('k8s-single up --config /etc/hostna')).toBe('k8s-single up --config /etc/hostname ');
  expect(await shell.tab('k8s-single up --data-dir /etc/alternati')).toBe(
    'k8s-single up --data-dir /etc/alternatives/',
  );
}

describe('the completion for', () => {
  it('bash completes on a terminal', async () => {
    const g = await (await graph('completion-bash', `  alpha: { command: [sleep, '1000'] }\n`)).ready();
    const rc = `PS1='your turn> '
source <(k8s-single completion bash)
write_down() { printf '%s\\n' "$READLINE_LINE" >>"$LINES_FILE"; }
bind -x '"\\C-t": write_down'
`;
    const where = { dir: await programFolder(), rc: { '.bashrc': rc }, env: { K8S_SINGLE_NAME: g.name } };
    await completes(await shellOnTerminal('bash -i', where));
  }, 60_000);

  it('zsh completes on a terminal', async () => {
    const g = await (await graph('completion-zsh', `  alpha: { command: [sleep, '1000'] }\n`)).ready();
    const { root, path, env } = await debianRoot(['zsh', 'fish']);
    const rc = {
      '.zshenv': `module_path=(${root}/usr/lib/*/zsh/*)\nfpath=(${root}/usr/share/zsh/functions/**/*(/))\n`,
      '.zshrc': `PS1='your turn> '
autoload -U compinit && compinit -u -D
source <(k8s-single completion zsh)
write_down() { print -r -- "$BUFFER" >>$LINES_FILE }
zle -N write_down
bindkey -e
bindkey '^T' write_down
`,
    };
    const where = { dir: await programFolder(), rc, env: { ...env, K8S_SINGLE_NAME: g.name } };
    await completes(await shellOnTerminal(join(path.split(':')[1]!, 'zsh -d -i'), where));
  }, 300_000);

  it('fish says the same', async () => {
    const g = await (await graph('completion-fish', `  alpha: { command: [sleep, '1000'] }\n`)).ready();
    const { root, path, env } = await debianRoot(['zsh', 'fish']);
    const dir = await programFolder();
    const asked = async (typed: string): Promise<string[]> => {
      const script = `set fish_function_path ${root}/usr/share/fish/functions
k8s-single completion fish | source
complete --do-complete '${typed}'`;
      const { stdout } = await execa(
        join(path.split(':')[0]!, 'fish'),
        ['--no-config', '--command', script],
        {
          env: { ...env, HOME: dir, PATH: `${dir}:${process.env['PATH']}`, K8S_SINGLE_NAME: g.name },
        },
      );
      return stdout.split('\n').map((line) => line.split('\t')[0]!);
    };
    expect(await asked('k8s-single timel')).toEqual(['timeline']);
    expect(await asked('k8s-single timeline --output=s')).toEqual(['--output=svg']);
    expect(await asked('k8s-single restart ')).toEqual(['alpha']);
    expect(await asked('k8s-single up --config /etc/hostna')).toEqual(['/etc/hostname']);
    expect(await asked('k8s-single up --data-dir /etc/alternati')).toEqual(['/etc/alternatives/']);
  }, 300_000);

  it('every shell is told from those that are not', async () => {
    expect(await cli(['completion', 'csh'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('bash, zsh, fish'),
    });
  });
});
