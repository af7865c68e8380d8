import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cli, tempDir } from '../support/cli.ts';

it('a quoted log does not reach the terminal with its control characters', async () => {
  const dir = await tempDir('report-error');
  const config = join(dir, 'node.yaml');
  const command = String.raw`printf '\033[2J\033]0;owned\007last words\n'; exit 3`;
  await writeFile(
    config,
    `kubernetes: false\ncomponents:\n  a:\n    command: ${JSON.stringify(command)}\n    shell: true\n    restart: { when: never }\n`,
  );
  const args = ['--config', config, '--name', 'report-error', '--data-dir', join(dir, 'data')];
  const { stderr } = await cli(['up', ...args, '--output', 'plain']);
  expect(String(stderr)).toContain('a ended and is not to be restarted: exited with code 3: last words');
  expect(String(stderr)).not.toMatch(/[^\P{Cc}\n\t]/u);
});

it('the output of `up` masks the secrets of the config in an error', async () => {
  const dir = await tempDir('report-error');
  const config = join(dir, 'node.yaml');
  await writeFile(join(dir, 'a.env'), 'DB_PASSWORD=hunter2-in-file\n');
  await writeFile(
    config,
    `kubernetes: false
components:
  a:
    command: [sh, -c, 'echo "$API_TOKEN and $DB_PASSWORD are refused"; exit 3']
    env: { API_TOKEN: hunter1-in-config }
    envFile: a.env
    restart: { when: never }
`,
  );
  const args = ['--config', config, '--name', 'report-error', '--data-dir', join(dir, 'data')];
  for (const output of ['plain', 'json']) {
    const { stderr, stdout } = await cli(['up', ...args, '--output', output]);
    const allOutput = `${String(stderr)}${String(stdout)}`;
    expect(allOutput).toContain(
      'k8s-single: a ended and is not to be restarted: exited with code 3: *** and *** are refused',
    );
    expect(allOutput).not.toMatch(/hunter\d/);
  }
});
