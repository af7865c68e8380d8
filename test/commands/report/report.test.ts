import { generateKeyPairSync } from 'node:crypto';
import {
  appendFile,
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { graph } from '../../support/graph.ts';

const { privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const keyLine = privateKey.split('\n')[1]!;
const token =
  'eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ.NGFiY2RlZmdoaWprbG1ub3BxcnN0dXY';
/** These look like ordinary words: only the config shows that they are secrets. */
const secrets = {
  environment: 'zaunkoenig-4711',
  config: 'Rohrdommel_42',
  flag: 'kleiber+0815',
  file: 'Wendehals.77',
};
const planted = [
  keyLine,
  Buffer.from(privateKey).toString('base64').slice(0, 40),
  token,
  ...Object.values(secrets),
];

const config = `
  leaky:
    command: [sh, -c, 'echo "$FROM_ENV"; echo "$API_TOKEN $DB_PASSWORD $FILE_SECRET"; echo "$PEM" >&2; echo "$@"; exec sleep 1000', sh, --api-token, '${secrets.flag}']
    env:
      API_TOKEN: '\${env:GIVEN_TOKEN}'
      DB_PASSWORD: '${secrets.config}'
      PEM: '\${env:GIVEN_PEM}'
      FROM_ENV: 'jwt ${token}'
    envFile: leaky.env
  broken: { task: true, command: [sh, -c, 'echo "cannot log in with $SECRET_WORD"; exit 1'], env: { SECRET_WORD: '${secrets.config}' } }
`;

async function unpacked(
  archive: string,
): Promise<{ files: string[]; all: string; read: (name: string) => Promise<string> }> {
  const folder = `${archive}.d`;
  await mkdir(folder);
  await execa('tar', [
    '--extract',
    '--gzip',
    '--strip-components=1',
    '--file',
    archive,
    '--directory',
    folder,
  ]);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  const texts = await Promise.all(files.map(async (file) => readFile(file, 'utf8')));
  return {
    files: files.map((file) => file.slice(folder.length + 1)).toSorted(),
    all: texts.join('\n'),
    read: async (name) => readFile(join(folder, name), 'utf8'),
  };
}

describe('a report', () => {
  it('of a running node contains everything but secrets', async () => {
    const g = await graph(
      'report-up',
      config.replace(/ {2}broken:.*\n/, '  step: { task: true, command: [pwd] }\n'),
      {
        env: { GIVEN_TOKEN: secrets.environment, GIVEN_PEM: privateKey },
        files: { 'leaky.env': `FILE_SECRET=${secrets.file}\n` },
      },
    );
    await g.ready();
    const logs = join(g.dataDir, 'log');
    // Other files in the folder: not logs, links to the outside, rotated logs.
    await writeFile(join(logs, 'server.key'), privateKey);
    await symlink('/etc/passwd', join(logs, 'link.log'));
    await appendFile(join(logs, 'leaky.log'), `kubeconfig: {"token": "${token}"}\n${privateKey}the end\n`);
    await writeFile(
      join(logs, 'leaky.log.1'),
      `client-key-data: ${Buffer.from(privateKey).toString('base64')}\n`,
    );
    expect(await readFile(join(logs, 'leaky.log'), 'utf8')).toContain(secrets.environment);

    const archive = join(g.dir, 'r.tar.gz');
    const { code, stdout } = await g.run('report', '--output', archive);
    expect([code, stdout]).toEqual([0, archive]);
    expect((await stat(archive)).mode & 0o777).toBe(0o600);
    const { files, all, read } = await unpacked(archive);
    expect(files).toEqual([
      'about.json',
      'config.yaml',
      'events.jsonl',
      'graph.json',
      'host.json',
      'log/leaky.log',
      'log/step.log',
      'status.json',
    ]);
    for (const secret of planted) expect(all).not.toContain(secret);
    expect(all).not.toContain('root:x:0');
    expect(await read('config.yaml')).toContain('API_TOKEN: ***');
    expect(await read('log/leaky.log')).toMatch(/\*\*\* \*\*\* \*\*\*\n.*\nthe end\n$/s);
    expect(JSON.parse(await read('status.json'))).toMatchObject({ version: 1, ready: true });
    expect(JSON.parse(await read('about.json'))).toMatchObject({ running: true, node: process.version });
    expect(JSON.parse((await read('events.jsonl')).split('\n')[0]!)).toHaveProperty('component');
    expect(JSON.parse(await read('host.json'))).toMatchObject({ architecture: process.arch });
  });

  it('of a node that failed contains the failure', async () => {
    const g = await graph('report-failed', config, {
      env: { GIVEN_TOKEN: secrets.environment, GIVEN_PEM: privateKey },
      files: { 'leaky.env': `FILE_SECRET=${secrets.file}\n` },
    });
    const { exitCode, stderr } = await g.exited();
    expect(exitCode).toBe(4);
    expect(stderr).toContain('✗ broken was given up');
    const failure = await readFile(join(g.dataDir, 'failure.json'), 'utf8');
    const archive = join(g.dir, 'r.tgz');
    expect((await g.runOnData('report', '--output', archive)).code).toBe(0);
    const { all, read } = await unpacked(archive);
    for (const secret of planted) expect(failure + all).not.toContain(secret);
    expect(JSON.parse(await read('failure.json'))).toMatchObject({
      version: 1,
      stages: [{ component: 'broken', state: 'failed', lastLines: ['cannot log in with ***'] }],
    });
    expect(JSON.parse(await read('status.json'))).toMatchObject({ ready: false, state: 'failed' });
    expect(JSON.parse(await read('about.json'))).toMatchObject({ running: false });
  });

  it('is refused for a node that was never up, and for an archive that cannot be written', async () => {
    const g = await (await graph('report-nowhere', '  a: { command: [sleep, "1000"] }\n')).ready();
    expect(await g.run('report', '--output', '/proc/r.tar.gz')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cannot write /proc/r.tar.gz'),
    });
    expect(await g.run('report', '--data-dir', join(g.dir, 'none'))).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('no record of a node in'),
    });
  });

  it('replaces a link in its place, and never writes through it or into a file of others', async () => {
    const g = await (await graph('report-link', '  a: { command: [sleep, "1000"] }\n')).ready();
    const [victim, archive] = [join(g.dir, 'victim'), join(g.dir, 'r.tar.gz')];
    await writeFile(victim, 'precious');
    await symlink(victim, archive);
    expect((await g.run('report', '--output', archive)).code).toBe(0);
    expect(await readFile(victim, 'utf8')).toBe('precious');
    const found = await lstat(archive);
    expect([found.isFile(), (found.mode & 0o777).toString(8)]).toEqual([true, '600']);
    await chmod(archive, 0o666);
    expect((await g.run('report', '--output', archive)).code).toBe(0);
    expect(((await lstat(archive)).mode & 0o777).toString(8)).toBe('600');
    expect(await g.run('report', '--output', g.dir)).toMatchObject({ code: 2 });
  });
});
