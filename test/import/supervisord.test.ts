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

/** The component for a program with these options, as read from the imported config. */
async function component(options: string, env: Record<string, string> = {}): Promise<unknown> {
  const { yaml } = await imported(`[supervisord]\n[program:x]\ncommand=x\n${options}`);
  return parseConfig(yaml, 'imported.yaml', { env }).components['x'];
}

test('the result is a config without Kubernetes', async () => {
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
  '%s, which is not a regular file, is not imported as a log',
  async (log) => {
    const { yaml, notes } = await imported(`[program:x]\ncommand=x\nstdout_logfile=${log}`);
    expect(parseConfig(yaml, 'c.yaml').components['x']).not.toHaveProperty('logFile');
    expect(notes).toContain(`x: log file ${log}: both streams go to the same regular file`);
  },
);

test('environment variables become references unless the file itself sets them', async () => {
  const options = 'environment=OWN=mine,BOTH="%(ENV_HOME)s/x"\ndirectory=/%(ENV_OWN)s/%(ENV_HOME)s';
  const { yaml } = await imported(`[program:x]\ncommand=x\n${options}`);
  expect(yaml).toContain('workingDir: /mine/${env:HOME}');
  expect(await component(options, { HOME: 'h' })).toMatchObject({
    workingDir: '/mine/h',
    env: { BOTH: 'h/x' },
  });
});

test('programs are in the order of their priorities, which are kept as comments', async () => {
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

test('reports what has no counterpart, also in the YAML', async () => {
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
    'x: no restart after exit code 0: the component is always restarted (for a step that ends, set `task: true`)',
    'x: log file /var/log/x.err: both streams go to the same regular file',
    'x: umask=022',
    'x: the supplementary groups of the user',
    'x: log rotation of its own: logs.maxMiB and logs.keep apply to all components',
    'x: signals to one process: they always go to the whole process group',
    'x: splitting of OPTIONS: its current value has several words, but a reference is one word',
  ]);
  for (const note of notes) expect(yaml).toContain(`# Not imported: ${note.replace(/^x: /, '')}.`);
});

test('a duplicate name gets the group as prefix', async () => {
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
  ['[program:x]\ncommand="x', '[program:x]: unterminated quote or backslash'],
  ['[program:x]\ncommand=%(nope)s', '[program:x]: unknown name in %(nope)s; known: here, program_name,'],
  ['[program:x]\ncommand=100%', '[program:x]: invalid format "%": write %(name)s, or %% for a percent sign'],
  ['[program:x]\ncommand=x\nenvironment=A', '[program:x]: expected KEY=value pairs'],
])('%j is refused', async (text, message) => {
  await expect(imported(text)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(message),
  });
});
