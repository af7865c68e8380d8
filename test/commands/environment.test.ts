import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { tempDir } from '../support/cli.ts';

const program = join(import.meta.dirname, '../../bin/k8s-single');

/** Runs the program from a shell that was prepared by a script; `$DIR` is an empty folder. */
async function shell(script: string, env: Readonly<Record<string, string>> = {}) {
  const dir = await tempDir('environment');
  const options = {
    env: { PATH: process.env['PATH'], ...env, DIR: dir, PROGRAM: program },
    extendEnv: false,
  };
  const result = await execa('sh', ['-c', script], { ...options, stdin: 'ignore', reject: false });
  return { dir, exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}

/** Brings up a graph with one task, takes it down, and resolves with the lines that its command has printed. */
async function linesOf(
  name: string,
  command: string,
  before: string,
  env?: Readonly<Record<string, string>>,
) {
  const config = `name: ${name}\ndataDir: $DIR/data\nkubernetes: false\ncomponents: { a: { task: true, command: [sh, -c, '${command}'] } }`;
  const script = [
    `cat > $DIR/graph.yaml <<END\n${config}\nEND`,
    before,
    `"$PROGRAM" up --config $DIR/graph.yaml --output plain & pid=$!`,
    `"$PROGRAM" status --name ${name} --wait --timeout 20s >&2; code=$?; kill $pid; wait $pid && exit $code`,
  ].join('\n');
  const { dir, exitCode, stderr } = await shell(script, env);
  expect(exitCode, stderr).toBe(0);
  return (await readFile(join(dir, 'data/log/a.log'), 'utf8')).trim().split('\n');
}

describe('a component of the user', () => {
  it('has the environment and the umask of the shell, and no more', async () => {
    const env = { HTTPS_PROXY: 'http://127.0.0.1:9', ETCD_NAME: 'm1', LANG: 'xx_YY.ISO-8859-15', GOGC: '1' };
    const lines = await linesOf('env-own', 'umask; env', 'cd /; umask 077', env);
    expect(lines[0]).toBe('0077');
    const ofTest = ['DIR=', 'PROGRAM=', 'PATH=', 'PWD=', 'OLDPWD=', 'SHLVL=', '_='];
    const others = lines.slice(1).filter((line) => !ofTest.some((start) => line.startsWith(start)));
    expect(others.toSorted()).toEqual(
      Object.entries(env)
        .map((pair) => pair.join('='))
        .toSorted(),
    );
  });

  it('runs although stdin, stdout and stderr are closed', async () => {
    expect(await linesOf('env-closed', 'echo ran', 'exec <&- >&-')).toEqual(['ran']);
  });

  it('runs although the working folder has been deleted', async () => {
    const lines = await linesOf('env-gone', 'pwd', 'mkdir $DIR/gone; cd $DIR/gone; rmdir $DIR/gone');
    expect(lines).toEqual(['/']);
  });
});

describe.each([
  ['without HOME, USER and TERM', 'true'],
  ['with a HOME that does not exist', 'export HOME=/none/of/these'],
  ['with a closed stdin', 'exec <&-'],
  ['in a deleted folder', 'mkdir $DIR/gone; cd $DIR/gone; rmdir $DIR/gone'],
  ['with umask 077', 'umask 077'],
  ['with an unknown locale', 'export LC_ALL=xx_YY.ISO-8859-15 TZ=Nowhere/None'],
])('%s', (_what, before) => {
  it.each(['config show', 'graph', 'completion bash', 'kubeconfig --name none'])(
    '%s works',
    async (command) => {
      const { exitCode, stderr } = await shell(`${before}; "$PROGRAM" ${command}`);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: command.endsWith('none') ? 4 : 0 });
      expect(stderr).not.toContain('bug');
    },
  );
});

it('a deleted working folder is named', async () => {
  const { stderr } = await shell('mkdir $DIR/gone; cd $DIR/gone; rmdir $DIR/gone; "$PROGRAM" config show');
  expect(stderr).toContain('the working folder has been deleted: relative paths start from / instead');
});
