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

async function completionsOf(typed: string): Promise<readonly string[] | string> {
  const completion = await complete(program(), typed.split(' '), names);
  return typeof completion === 'string' ? completion : completion.map(({ value }) => value);
}

describe('the candidates for the next word', () => {
  it('are all commands that are not hidden', async () => {
    const commands = await completionsOf('');
    const { commands: defined } = program();
    expect(commands).toEqual([
      ...defined.map((each) => each.name()).filter((name) => !name.startsWith('__')),
      'help',
    ]);
    expect(await completionsOf('st')).toEqual(['status', 'stop', 'start']);
    expect(await completionsOf('image l')).toEqual(['load', 'ls']);
  });

  it('are the options of the command', async () => {
    expect(await completionsOf('restart --')).toEqual(['--name', '--timeout', '--cascade', '--help']);
    expect(await completionsOf('--v')).toEqual(['--version']);
    expect(await completionsOf('status --name x --wa')).toEqual(['--wait', '--watch']);
  });

  it('are the values of an option', async () => {
    expect(await completionsOf('timeline --output ')).toEqual(['text', 'svg', 'trace']);
    expect(await completionsOf('timeline --output=t')).toEqual(['--output=text', '--output=trace']);
    expect(await completionsOf('status --name ')).toEqual(['default', 'ci']);
    expect(await completionsOf('status --name=c')).toEqual(['--name=ci']);
    expect(await completionsOf('up --config ')).toBe('files');
    expect(await completionsOf('up --data-dir x')).toBe('folders');
    expect(await completionsOf('up --timeout ')).toEqual([]);
  });

  it('are the components of the selected node, each once', async () => {
    expect(await completionsOf('restart ')).toEqual(['default-etcd', 'default-kubelet']);
    expect(await completionsOf('restart --name ci ci-k')).toEqual(['ci-kubelet']);
    expect(await completionsOf('logs --name=ci -f ci-etcd ')).toEqual(['ci-kubelet']);
    expect(await completionsOf('restart a ')).toEqual([]);
  });

  it('are the kinds of probes, then files', async () => {
    expect(await completionsOf('probe ')).toEqual(Object.keys(kinds));
    expect(await completionsOf('probe http ')).toBe('files');
  });

  it('are files after --', async () => {
    expect(await completionsOf('kubectl --name ci -- get --')).toBe('files');
  });
});

/** Completes on a real terminal; `alpha` must be the only component. */
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
    const rc = `PS1='PROMPT> '
source <(k8s-single completion bash)
record_line() { printf '%s\\n' "$READLINE_LINE" >>"$LINES_FILE"; }
bind -x '"\\C-t": record_line'
`;
    const options = { dir: await programFolder(), rc: { '.bashrc': rc }, env: { K8S_SINGLE_NAME: g.name } };
    await completes(await shellOnTerminal('bash -i', options));
  }, 60_000);

  it('zsh completes on a terminal', async () => {
    const g = await (await graph('completion-zsh', `  alpha: { command: [sleep, '1000'] }\n`)).ready();
    const { root, path, env } = await debianRoot(['zsh', 'fish']);
    const rc = {
      '.zshenv': `module_path=(${root}/usr/lib/*/zsh/*)\nfpath=(${root}/usr/share/zsh/functions/**/*(/))\n`,
      '.zshrc': `PS1='PROMPT> '
autoload -U compinit && compinit -u -D
source <(k8s-single completion zsh)
record_line() { print -r -- "$BUFFER" >>$LINES_FILE }
zle -N record_line
bindkey -e
bindkey '^T' record_line
`,
    };
    const options = { dir: await programFolder(), rc, env: { ...env, K8S_SINGLE_NAME: g.name } };
    await completes(await shellOnTerminal(join(path.split(':')[1]!, 'zsh -d -i'), options));
  }, 300_000);

  it('fish prints the same candidates', async () => {
    const g = await (await graph('completion-fish', `  alpha: { command: [sleep, '1000'] }\n`)).ready();
    const { root, path, env } = await debianRoot(['zsh', 'fish']);
    const dir = await programFolder();
    const candidates = async (typed: string): Promise<string[]> => {
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
    expect(await candidates('k8s-single timel')).toEqual(['timeline']);
    expect(await candidates('k8s-single timeline --output=s')).toEqual(['--output=svg']);
    expect(await candidates('k8s-single restart ')).toEqual(['alpha']);
    expect(await candidates('k8s-single up --config /etc/hostna')).toEqual(['/etc/hostname']);
    expect(await candidates('k8s-single up --data-dir /etc/alternati')).toEqual(['/etc/alternatives/']);
  }, 300_000);

  it('an unknown shell is refused with the known ones', async () => {
    expect(await cli(['completion', 'csh'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('bash, zsh, fish'),
    });
  });
});
