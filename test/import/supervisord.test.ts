import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/yaml/parseConfig.ts';
import { importSupervisord } from '../../src/import/supervisord.ts';
import type { Environment } from '../../src/import/values.ts';
import type { Imported } from '../../src/import/supervisord.ts';

const corpus = join(import.meta.dirname, '../fixtures/import/corpus');

let dir = '';
let file = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'k8s-single-import-'));
  file = join(dir, 'supervisord.conf');
});
afterAll(async () => rm(dir, { recursive: true }));

async function imported(text: string, env: Environment = { OPTIONS: '-a -b' }): Promise<Imported> {
  await writeFile(file, text);
  return importSupervisord(file, env);
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
  ['autorestart=true', { restart: { onFailure: 'keepOthers', resetAfter: 1000, maxFailures: 3 } }],
  ['', { restart: { when: 'onFailure', onFailure: 'keepOthers' } }],
  ['autorestart=false', { restart: { when: 'never', onFailure: 'keepOthers' } }],
  ['startsecs=0\nstartretries=2', { restart: { delay: 1000, maxDelay: 1000, maxFailures: 1000 } }],
  ['startsecs=7\nstartretries=2', { restart: { resetAfter: 7000, maxFailures: 2, maxDelay: 2000 } }],
  ['startsecs=20\nstartretries=4', { restart: { window: 96_000 } }],
  ['startretries=999999', { restart: { maxFailures: 999_999, window: 2_147_483_000 } }],
  ['startretries=-1\nstopwaitsecs=-1', { restart: { maxFailures: 0 }, stop: { grace: 0 } }],
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
  expect(yaml).toMatch(/# priority 10\n {2}first:/);
  expect(yaml).toMatch(/# priority 1 in group g with 15\n {2}grouped:/);
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
    'x: the supplementary groups of the user',
    'x: log file /var/log/x.err: both streams go to the same regular file',
    'x: log rotation of its own: logs.maxMiB and logs.keep apply to all components',
    'x: signals to one process: they always go to the whole process group',
    'x: umask=022',
    'x: splitting of OPTIONS: its current value has several words, but a reference is one word',
  ]);
  for (const note of notes) expect(yaml).toContain(`# Not imported: ${note.replace(/^x: /, '')}.`);
});

test('a number, a switch or a name has the current value of its variable, with a note', async () => {
  const env = {
    COUNT: '2',
    FIRST: '5',
    PRIORITY: '1',
    ON: 'Yes',
    AGAIN: 'off',
    HOSTNAME: 'box',
    SIGNAL: 'int',
  };
  const options = [
    'numprocs=%(ENV_COUNT)s',
    'numprocs_start=%(ENV_FIRST)s',
    'priority=%(ENV_PRIORITY)s',
    'autostart=%(ENV_ON)s',
    'autorestart=%(ENV_AGAIN)s',
    'process_name=%(ENV_HOSTNAME)s_%(process_num)d',
    'stopsignal=%(ENV_SIGNAL)s',
  ];
  const { yaml, notes } = await imported(`[program:x]\ncommand=x\nstartsecs=0\n${options.join('\n')}`, env);
  expect(parseConfig(yaml, 'c.yaml').components).toMatchObject({
    box_5: { enabled: true, restart: { when: 'never' }, stop: { signal: 'SIGINT' } },
    box_6: { enabled: true },
  });
  expect(yaml).toContain('# priority 1\n');
  expect(notes).toContain('box_5: the variable in numprocs=%(ENV_COUNT)s: its current value, 2, is used');
  expect(notes).toHaveLength(2 + 2 * 5);
});

test.each(['true', 'false', undefined])(
  'autostart of a variable that is %s is decided at `up`',
  async (ON) => {
    const { yaml, notes } = await imported('[program:x]\ncommand=x\nautostart=%(ENV_ON)s', { ON });
    expect(yaml).toContain('enabled: ${env:ON}');
    for (const value of ['true', 'false'])
      expect(parseConfig(yaml, 'c.yaml', { env: { ON: value } }).components['x']?.enabled).toBe(
        value === 'true',
      );
    expect(notes).toContain(
      'x: values of ON other than true and false in autostart: the config is refused then',
    );
  },
);

test('exit codes other than 0 have no counterpart', async () => {
  const { yaml, notes } = await imported('[program:x]\ncommand=x\nexitcodes=0, 2,3');
  expect(parseConfig(yaml, 'c.yaml').components['x']?.restart?.when).toBe('onFailure');
  expect(notes).toEqual(['x: no restart after exit code 2, 3: it is restarted']);
});

test('numprocs=0 disables the program', async () => {
  expect(await component('numprocs=0')).toMatchObject({ enabled: false });
});

test('a value above a limit is lowered, with a note', async () => {
  const options = 'startretries=2147483647\nstopwaitsecs=31536000\nautorestart=true';
  expect(await component(options)).toMatchObject({
    restart: { maxFailures: 1_000_000 },
    stop: { grace: 2_147_483_000 },
  });
  const { notes } = await imported(`[program:x]\ncommand=x\n${options}`);
  expect(notes).toEqual([
    'x: startretries=2147483647: the most is 1000000',
    'x: stopwaitsecs=31536000: the most is 2147483',
  ]);
});

test('programs run as the user of [supervisord], unless that is root', async () => {
  const programs = '[program:a]\ncommand=x\n[program:b]\ncommand=x\nuser=www-data';
  const users = async (user: string): Promise<unknown> => {
    const { yaml } = await imported(`[supervisord]\nuser=${user}\n${programs}`);
    return Object.values(parseConfig(yaml, 'c.yaml').components).map((spec) => spec.user);
  };
  expect(await users('nobody')).toEqual(['nobody', 'www-data']);
  expect(await users('root')).toEqual([undefined, 'www-data']);
});

test('a program in two groups runs in both', async () => {
  const { yaml } = await imported(`
[program:x]
command=x %(group_name)s
[group:a]
programs=x
[group:b]
programs=x
`);
  expect(parseConfig(yaml, 'c.yaml').components).toMatchObject({
    x: { command: ['x', 'a'] },
    'b-x': { command: ['x', 'b'] },
  });
});

test('included files change sections; a pattern without a match is reported', async () => {
  const config = join(corpus, 'include/supervisord.conf');
  const { yaml, notes } = await importSupervisord(config, { ROLE: 'role1' });
  expect(parseConfig(yaml, 'c.yaml').components).toMatchObject({
    web: {
      command: ['serve', '--local', join(corpus, 'include/conf.d')],
      env: { LOCAL: '2', BOTH: 'local' },
    },
    base: { command: ['serve', '--base', '--env', '2'], stop: { signal: 'SIGINT' } },
    alpha: { command: ['serve', '--alpha', join(corpus, 'include/sites/alpha')] },
    extra: { command: ['serve', '--extra'] },
  });
  expect(Object.keys(parseConfig(yaml, 'c.yaml').components)).toHaveLength(4);
  expect(notes[0]).toBe('[include] /nowhere/*.conf: no file matches');
});

test('a duplicate name gets the group as prefix', async () => {
  const { yaml } = await imported(`
[program:a]
command=x
process_name=same
[program:b]
command=x
process_name=same
[program:b-c]
command=x
process_name=b-same
[program:d]
command=x
process_name=%(program_name)s/x
`);
  const names = ['same', 'b-same', 'b-c-b-same', 'd-x'];
  expect(Object.keys(parseConfig(yaml, 'c.yaml').components)).toEqual(names);
});

test.each([
  ['[supervisord]', 'has no [program:NAME] section'],
  ['[program:x]\nautostart=true', '[program:x]: it has no command'],
  ['[program:x]\ncommand="x', '[program:x]: command: unterminated quote or backslash'],
  [
    '[program:x]\ncommand=%(nope)s',
    '[program:x]: command: unknown name in %(nope)s; known: here, program_name,',
  ],
  [
    '[program:x]\ncommand=100%',
    '[program:x]: command: invalid format "%": write %(name)s, or %% for a percent sign',
  ],
  ['[program:x]\ncommand=x\nenvironment=A', '[program:x]: environment: expected KEY=value pairs'],
  ['[program:x]\ncommand=x\nstopsignal=FOO', '[program:x]: stopsignal: there is no signal "FOO"'],
  ['[program:x]\ncommand=x\nstopsignal=99', '[program:x]: stopsignal: there is no signal "99"'],
  ['[program:x]\ncommand=x\nautostart=maybe', '[program:x]: autostart: expected true or false, not "maybe"'],
  ['[program:x]\ncommand=x\nautorestart=never', '[program:x]: autorestart: expected true or false'],
  ['[program:x]\ncommand=x\nstartsecs=1.5', '[program:x]: startsecs: expected a whole number, not "1.5"'],
  ['[program:x]\ncommand=x\nnumprocs=2', '[program:x]: process_name: with numprocs above 1 it needs'],
  [
    '[program:x]\ncommand=x\nnumprocs=%(ENV_N)s',
    '[program:x]: numprocs: the environment variable N is not set; set it for the import',
  ],
  ['[program:x]\ncommand=x\n[group:g]\nprograms=x,y', '[group:g]: programs: there is no program "y"'],
])('%j is refused', async (text, message) => {
  await expect(imported(text)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining(message),
  });
});
