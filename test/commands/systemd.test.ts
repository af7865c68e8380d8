import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { quote } from '../../src/commands/systemd/unitText.ts';
import { cli, main, tempDir } from '../support/cli.ts';

describe('systemd print', () => {
  it('prints a unit with absolute paths, and leaves out passwords', async () => {
    const dir = await tempDir('systemd');
    const config = join(dir, 'a b%n $x.yaml');
    await writeFile(config, 'name: shop\ndataDir: /srv/shop\n');
    const args = [
      'systemd',
      'print',
      '--config',
      'a b%n $x.yaml',
      '--bin-dir',
      'bin',
      '--timeout',
      '10m',
      '--publish',
      '8080:80',
      '--host',
    ];
    const env = { HTTPS_PROXY: 'http://me:secret@proxy:1', NO_PROXY: 'a,b', K8S_SINGLE_FORWARD_LOGS: 'all' };
    const { stdout, stderr, exitCode } = await cli(args, { cwd: dir, env });
    expect(exitCode).toBe(0);
    const lines = String(stdout).split('\n');
    expect(lines).toContain(
      `ExecStart=${process.execPath} ${main} up --name shop --config "${dir}/a b%%n $$x.yaml" ` +
        `--bin-dir ${dir}/bin --timeout 10m --publish 8080:80 --host --forward-logs=all`,
    );
    expect(lines).toContain(
      `ExecStopPost=${process.execPath} ${main} __unit-cleanup --name shop --data-dir /srv/shop`,
    );
    expect(lines).toContain(`RequiresMountsFor=/srv/shop ${main} "${dir}/a b%%n $x.yaml" ${dir}/bin`);
    expect(lines).toContain('Environment=NO_PROXY=a,b');
    expect(lines).toContain('RestartPreventExitStatus=2 3');
    expect(lines.join()).not.toContain('secret');
    expect(String(stderr)).toContain('HTTPS_PROXY is left out, as it has a password');
  });

  it('starts a worker after its control plane on this machine, and has no token', async () => {
    const secret = `abcdef.0123456789abcdef@sha256:${'0'.repeat(64)}`;
    const url = ['--host', '--join', 'https://192.0.2.10:6443', '--token', secret];
    const onOther = await cli(['systemd', 'print', ...url]);
    expect(`${String(onOther.stdout)}${String(onOther.stderr)}`).not.toContain('abcdef');
    expect(String(onOther.stderr)).toContain('the token is left out');
    const args = ['systemd', 'print', '--name', 'b', '--join', 'a'];
    const { stdout, exitCode } = await cli(args);
    expect(exitCode).toBe(0);
    const lines = String(stdout).split('\n');
    expect(lines).toContain('After=network-online.target k8s-single-a.service');
    expect(lines).toContain(`ExecStart=${process.execPath} ${main} up --name b --join a`);
  });

  it.each([
    [['--join', 'https://192.0.2.1:6443'], 2, 'add --host'],
    [['--join', 'a', '--joinable'], 2, 'leave out --join or --joinable'],
    [['--name', 'a b'], 2, 'expected at most 40 lower-case letters, digits and dashes'],
    [['--config', '/dev/stdin'], 2, 'the config /dev/stdin is not a file: systemd cannot read it again'],
    [['--config', '/no/such'], 2, 'cannot read the config /no/such'],
    [['--detach'], 2, "unknown option '--detach'"],
  ])('%j: exit code %i', async (args, code, message) => {
    const { exitCode, stderr } = await cli(['systemd', 'print', ...args]);
    expect([exitCode, String(stderr)]).toEqual([code, expect.stringContaining(message)]);
  });
});

/** Runs a command where there is no systemd, whatever this machine has. */
async function withoutSystemd(...command: string[]) {
  const script = 'mount -n -t tmpfs tmpfs /run; exec "$@"';
  const argv = ['--mount', 'sh', '-c', script, 'sh', ...command];
  return execa('unshare', argv, { reject: false });
}

describe.each(['install', 'uninstall'])('systemd %s', (command) => {
  it('needs systemd', async () => {
    const { exitCode, stderr } = await withoutSystemd(process.execPath, main, 'systemd', command);
    expect(stderr).toContain('this machine is not run by systemd: there is no /run/systemd/system');
    expect(exitCode).toBe(3);
  });

  it('needs root', async () => {
    const setpriv = ['setpriv', '--reuid', '65534', '--clear-groups', '--'];
    const { exitCode, stderr } = await withoutSystemd(...setpriv, process.execPath, main, 'systemd', command);
    expect(stderr).toContain('this needs root: it changes the units of the system');
    expect(exitCode).toBe(3);
  });
});

it.each([
  ['/usr/bin/node', '/usr/bin/node'],
  ['', '""'],
  ['a b', '"a b"'],
  ['100%', '100%%'],
  ["it's", `"it's"`],
  ['"\\', '"\\"\\\\"'],
  ['a\nb', '"a\\x0ab"'],
  [';', '";"'],
])('systemd reads %j as written %s', (word, written) => {
  expect(quote(word)).toBe(written);
});
