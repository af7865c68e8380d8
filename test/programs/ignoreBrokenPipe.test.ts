import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cli, main, tempDir } from '../support/cli.ts';

describe('when the reader of the output closes it', () => {
  it('before the first output, there is no error', async () => {
    const script = 'exec 3> >(true); sleep 0.2; "$@" >&3; echo $?';
    const args = ['-c', script, 'bash', process.execPath, main, '--help'];
    expect(await execa('bash', args)).toMatchObject({ stdout: '0', stderr: '' });
  });

  it.each(['json', 'plain'] as const)('a node with --output %s continues to run', async (output) => {
    const dir = await tempDir('readers');
    const config = join(dir, 'graph.yaml');
    const name = `readers-${output}`;
    const components = '{ a: { command: [sleep, "1000"] }, b: { command: [sleep, "1000"], needs: [a] } }';
    await writeFile(
      config,
      `name: ${name}\ndataDir: ${dir}/data\nkubernetes: false\ncomponents: ${components}\n`,
    );
    const up = execa(process.execPath, [main, 'up', '--config', config, '--output', output], {
      reject: false,
      buffer: false,
    });
    onTestFinished(async () => {
      await cli(['down', '--name', name]);
    });
    const stream = output === 'json' ? up.stdout : up.stderr;
    const lines = createInterface({ input: stream })[Symbol.asyncIterator]();
    expect((await lines.next()).done).toBe(false);
    stream.destroy();
    expect(await cli(['status', '--name', name, '--wait', '--timeout', '20s'])).toMatchObject({
      exitCode: 0,
    });
    expect(await cli(['restart', '--name', name, 'a'])).toMatchObject({ exitCode: 0 });
    up.kill('SIGTERM');
    expect((await up).exitCode).toBe(0);
  });
});

it.each(['--help', 'config show'])(
  'the command fails if the output of %s cannot be written',
  async (command) => {
    const args = ['-c', '"$@" > /dev/full', 'bash', process.execPath, main, ...command.split(' ')];
    const { exitCode, stderr } = await execa('bash', args, { reject: false });
    expect(exitCode).toBe(3);
    expect(stderr).toBe('k8s-single: stdout cannot be written: ENOSPC: no space left on device, write');
  },
);
