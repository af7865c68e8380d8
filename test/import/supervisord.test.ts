import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { importSupervisord } from '../../src/import/supervisord.ts';
import type { Imported } from '../../src/import/supervisord.ts';

let dir = '';
let file = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-import-'));
  file = join(dir, 'supervisord.conf');
});
afterAll(async () => rm(dir, { recursive: true }));

async function imported(text: string): Promise<Imported> {
  await writeFile(file, text);
  return importSupervisord(file, { OPTIONS: '-a -b' });
}

/** The component that a program with these options becomes, as our own config reads it. */
async function component(options: string, env: Record<string, string> = {}): Promise<unknown> {
  const { yaml } = await imported(`[supervisord]\n[program:x]\ncommand=x\n${options}`);
  return parseConfig(yaml, 'imported.yaml', { env }).components['x'];
}

test('what is imported is a config without Kubernetes', async () => {
  const { yaml } = await imported('[program:x]\ncommand=x "y z" %%');
  const { node, components } = parseConfig(yaml, 'imported.yaml');
  expect(node.kubernetes).toBe(false);
  expect(components['x']).toMatchObject({ command: ['x', 'y z', '%'], enabled: true });
});

test.each([
  ['autostart=false', { enabled: false }],
  ['autorestart=true', { restart: { onFailure: 'keepOthers' } }],
  ['autorestart=false', { restart: { when: 'never' } }],
  ['startsecs=7\nstartretries=2', { restart: { resetAfter: 7000, maxFailures: 2 } }],
  ['stopsignal=QUIT\nstopwaitsecs=3', { stop: { signal: 'SIGQUIT', grace: 3000 } }],
  ['stopsignal=10', { stop: { signal: 'SIGUSR1' } }],
  ['directory=/usr', { workingDir: '/usr' }],
  ['user=nobody', { user: 'nobody' }],
  ['stdout_logfile=/var/log/%(program_name)s.log', { logFile: '/var/log/x.log' }],
  ['stdout_logfile=NONE\nstderr_logfile=x.err', { logFile: 'x.err' }],
  ['stdout_logfile=x.log\nstderr_logfile=x.err\nredirect_stderr=true', { logFile: 'x.log' }],
  ['environment=A=1,B="x, y"', { env: { A: '1', B: 'x, y' } }],
])('%s', async (options, expected) => {
  expect(await component(options)).toMatchObject(expected);
});

test.each(['/dev/stdout', '/dev/fd/1', '/proc/1/fd/1', 'syslog'])(
  'a log that is no file, %s, is not imported',
  async (log) => {
    const { yaml, notes } = await imported(`[program:x]\ncommand=x\nstdout_logfile=${log}`);
    expect(parseConfig(yaml, 'c.yaml').components['x']).not.toHaveProperty('logFile');
    expect(notes).toContain(`x: log file ${log}: both streams go to one log, a file`);
  },
);

test('the environment is referred to, not copied, unless the file itself gives the variable', async () => {
  const options = 'environment=OWN=mine,BOTH="%(ENV_HOME)s/x"\ndirectory=/%(ENV_OWN)s/%(ENV_HOME)s';
  const { yaml } = await imported(`[program:x]\ncommand=x\n${options}`);
  expect(yaml).toContain('workingDir: /mine/${env:HOME}');
  expect(await component(options, { HOME: 'h' })).toMatchObject({
    workingDir: '/mine/h',
    env: { BOTH: 'h/x' },
  });
});

test('programs stand in the order of their priorities, which are kept as comments', async () => {
  const { yaml } = await imported(`
[program:last]
command=x
[program:second]
command=x
priority=20
[program:first]
command=x
priority=10
[program:grouped]
command=x
priority=1
[group:g]
programs=grouped
priority=15
`);
  expect(Object.keys(parseConfig(yaml, 'c.yaml').components)).toEqual(['first', 'grouped', 'second', 'last']);
  expect(yaml).toMatch(/# priority 10\n.*\n {2}first:/);
  expect(yaml).toMatch(/# priority 1 in group g with 15\n.*\n {2}grouped:/);
});

test('says what has no counterpart, in the YAML, too', async () => {
  const { yaml, notes } = await imported(`
[supervisord]
logfile=/var/log/s.log
[unix_http_server]
file=/run/s.sock
[eventlistener:e]
command=e
[program:x]
command=x %(ENV_OPTIONS)s
umask=022
user=nobody
stdout_logfile=/var/log/x.log
stdout_logfile_maxbytes=1MB
stderr_logfile=/var/log/x.err
stopasgroup=false
`);
  expect(notes).toEqual([
    '[supervisord] logfile: no counterpart',
    '[unix_http_server] has no counterpart',
    '[eventlistener:e] has no counterpart',
    'x: after an exit with code 0 it is started again, too (a step that ends is a `task: true`)',
    'x: log file /var/log/x.err: both streams go to one log, a file',
    'x: umask=022',
    'x: the groups of the user beyond the first are not taken on',
    'x: how long a log gets, and how many are kept, is the same for all: logs.maxMiB and logs.keep',
    'x: signals always go to the whole process group',
    'x: the value of OPTIONS is more than one word today, and stays one word here',
  ]);
  for (const note of notes) expect(yaml).toContain(`# Not imported: ${note.replace(/^x: /, '')}.`);
});

test('two programs of one name are told apart by their groups', async () => {
  const { yaml } = await imported(`
[program:a]
command=x
process_name=same
[program:b]
command=x
process_name=same
`);
  expect(Object.keys(parseConfig(yaml, 'c.yaml').components)).toEqual(['same', 'b-same']);
});

test.each([
  ['[supervisord]', 'has no [program:NAME] section'],
  ['[program:x]\nautostart=true', '[program:x]: it has no command'],
  ['[program:x]\ncommand="x', '[program:x]: a quote or a backslash has no end'],
  [
    '[program:x]\ncommand=%(nope)s',
    '[program:x]: %(nope)s means nothing here: there are here, program_name,',
  ],
  ['[program:x]\ncommand=100%', '[program:x]: "%" is not a format: write %(name)s, or %% for a percent sign'],
  ['[program:x]\ncommand=x\nenvironment=A', '[program:x]: expected KEY=value pairs'],
])('%j is refused', async (text, message) => {
  await expect(imported(text)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(message),
  });
});
