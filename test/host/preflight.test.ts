import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  rmdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { tempDir } from '../support/cli.ts';
import { hierarchies } from '../../src/host/cgroup/hierarchies.ts';
import type { Hierarchy } from '../../src/host/cgroup/hierarchies.ts';
import {
  assertCanIsolate,
  checkClock,
  checkDataOwner,
  checkDataPath,
  inContainer,
} from '../../src/host/preflight.ts';

const dist = join(import.meta.dirname, '../../dist/src/host/preflight.js');

/** A file tree like that of a container, or of a host. */
function tree(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'k8s-single-root-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
  return root;
}

describe('inContainer', () => {
  test.for([
    { files: { '.dockerenv': '' }, env: {}, reason: '/.dockerenv exists' },
    { files: { 'run/.containerenv': '' }, env: {}, reason: '/run/.containerenv exists' },
    { files: {}, env: { KUBERNETES_SERVICE_HOST: '10.0.0.1' }, reason: 'KUBERNETES_SERVICE_HOST is set' },
    {
      files: { 'proc/1/environ': 'PATH=/bin\0container=lxc\0' },
      env: {},
      reason: 'PID 1 runs with container=lxc',
    },
    {
      files: { 'proc/1/cgroup': '0::/docker/0123\n' },
      env: {},
      reason: 'PID 1 is in the cgroup /docker/0123',
    },
    {
      files: { 'proc/1/cgroup': '4:cpu:/\n3:pids:/kubepods.slice/x\n' },
      env: {},
      reason: 'PID 1 is in the cgroup /kubepods.slice/x',
    },
  ])('$reason', ({ files, env, reason }) => {
    expect(inContainer(tree(files as Record<string, string>), env)).toBe(reason);
  });

  test('is undefined in the initial PID namespace, whatever files an image contains', () => {
    const root = tree({ '.dockerenv': '' });
    mkdirSync(join(root, 'proc/self/ns'), { recursive: true });
    symlinkSync('pid:[4026531836]', join(root, 'proc/self/ns/pid'));
    expect(inContainer(root, {})).toBeUndefined();
  });

  test('is undefined on a host', () => {
    const files = { 'proc/1/environ': 'HOME=/\0', 'proc/1/cgroup': '1:cpu:/\n0::/init.scope\n' };
    expect(inContainer(tree(files), { PATH: '/docker/bin' })).toBeUndefined();
  });
});

/** Whether the children of the root of a hierarchy of version 2 have the controller. */
function handsOn(root: string, controller: string): boolean {
  const file = join(root, 'cgroup.subtree_control');
  return existsSync(file) && readFileSync(file, 'utf8').split(/\s/).includes(controller);
}

describe('assertCanIsolate', () => {
  const check = `import(${JSON.stringify(dist)}).then((m) => m.assertCanIsolate()).catch((e) => console.log(e.code, e.message, '|', e.hint))`;

  test('passes where namespaces can be made', async () => {
    await assertCanIsolate();
  });

  test('fails without root', async () => {
    const args = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, '-e', check];
    expect((await execa('setpriv', args)).stdout).toMatch(/^preflight this needs root.* \| sudo /);
  });

  test('names the package of unshare when it is missing', async () => {
    const { stdout } = await execa(process.execPath, ['-e', check], { env: { PATH: '/nowhere' } });
    expect(stdout).toBe('preflight unshare is not installed | apt-get install util-linux');
  });

  test('fails without the capability and names the alternatives', async () => {
    const { stdout } = await execa('setpriv', [
      '--bounding-set=-sys_admin',
      '--inh-caps=-all',
      process.execPath,
      '-e',
      check,
    ]);
    expect(stdout).toMatch(
      /^preflight cannot create the node's namespaces: unshare: .*Operation not permitted \| .*--host/,
    );
  });

  test.each(['net', 'mnt', 'pid'])('names the limit of %s namespaces that is reached', async (kind) => {
    const setUp = `echo 0 > /proc/sys/user/max_${kind}_namespaces; exec '${process.execPath}' -e "$CHECK"`;
    const args = ['--user', '--map-root-user', 'sh', '-c', setUp];
    const { stdout } = await execa('unshare', args, { env: { CHECK: check } });
    const sysctl = `user.max_${kind}_namespaces`;
    expect(stdout).toBe(
      `preflight cannot create the node's namespaces: unshare: unshare failed: No space left on device | ` +
        `${sysctl} is 0, and reached: sysctl -w ${sysctl}=1000; or end what holds namespaces: see lsns`,
    );
  });

  test('names the limits of processes when none can be started', async () => {
    const hasPids = ({ root, options }: Hierarchy) => options.includes('pids') || handsOn(root, 'pids');
    const { root } = hierarchies().find(hasPids)!;
    const group = join(root, `k8s-single-preflight-${process.pid}`);
    mkdirSync(group);
    onTestFinished(() => rmdirSync(group));
    // Only then: Node.js aborts if it cannot start its own threads.
    const limit = `require('node:fs').writeFileSync('${group}/pids.max', '1')`;
    const limited = check.replace('m.assertCanIsolate()', `(${limit}, m.assertCanIsolate())`);
    const setUp = `echo $$ > ${group}/cgroup.procs; exec '${process.execPath}' -e "$CHECK"`;
    const { stdout } = await execa('sh', ['-c', setUp], { env: { CHECK: limited } });
    expect(stdout).toMatch(
      /^preflight cannot start unshare: .*EAGAIN \| no process can be started: .*pids\.max/,
    );
  });

  test('does not propose an option that `run` lacks', async () => {
    const run = [join(import.meta.dirname, '../../dist/src/programs/main.js'), 'run', '--', 'true'];
    const args = ['--bounding-set=-sys_admin', '--inh-caps=-all', process.execPath, ...run];
    const { exitCode, stderr } = await execa('setpriv', args, { reject: false });
    expect(stderr).toContain('; or use a node on the host itself: k8s-single up --host');
    expect(exitCode).toBe(3);
  });
});

test('a clock that was never set is a problem', () => {
  const built = new Date('2026-11-28T12:00:00Z');
  const level = (time: string) => checkClock(Date.parse(time), built).level;
  // A day earlier it may have been made on another machine.
  const times = ['1970-01-02', '2026-01-01', '2026-11-27T11:59:59Z', '2026-11-27T12:00:00Z', '2027-01-01'];
  expect(times.map(level)).toEqual(['problem', 'problem', 'problem', 'ok', 'ok']);
  expect(checkClock(0, built)).toMatchObject({
    message: expect.stringMatching(/^1970-01-01T00:00:00Z is wrong, as this program was built on 2026-11-28/),
  });
  expect(checkClock().level).toBe('ok');
});

test('a data path is as long as the path of the kubelet socket allows, in bytes', () => {
  expect(checkDataPath(`/${'a'.repeat(71)}`).level).toBe('ok');
  expect(checkDataPath(`/${'a'.repeat(72)}`)).toMatchObject({
    level: 'problem',
    message: expect.stringContaining('has 73 bytes: at most 72 fit'),
  });
  expect(checkDataPath(`/${'ü'.repeat(36)}`).level).toBe('problem');
});

describe('a data folder', () => {
  const check = (data: string): string => {
    const { level, message } = checkDataOwner(data);
    return level === 'ok' ? level : message;
  };

  /** A folder that others reach. */
  async function openDir(): Promise<string> {
    const dir = await tempDir('owner');
    chmodSync(dir, 0o755);
    return dir;
  }

  test('of root is in order, also below one like /tmp, or when it is not there yet', async () => {
    const dir = await openDir();
    expect([dir, join(dir, 'data'), '/var/lib/k8s-single/none', '/tmp'].map(check)).toEqual([
      'ok',
      'ok',
      'ok',
      'everybody may write to /tmp, and replace what is in it',
    ]);
  });

  test('of another user is refused, unless that user has become root by sudo', async () => {
    const dir = await openDir();
    chownSync(dir, 65534, 65534);
    expect(check(dir)).toBe(
      `${dir} belongs to another user, with the id 65534, who could replace what is in it`,
    );
    vi.stubEnv('SUDO_UID', '65534');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(check(dir)).toBe('ok');
  });

  test('that everybody may write to is refused, itself, above it, and behind a link', async () => {
    const dir = await openDir();
    const open = join(dir, 'open');
    mkdirSync(join(open, 'data'), { recursive: true });
    symlinkSync(join(open, 'data'), join(dir, 'link'));
    chmodSync(open, 0o777);
    const folders = [join(open, 'data'), join(open, 'data/new'), open, join(dir, 'link')];
    const refused = `everybody may write to ${open}, and replace what is in it`;
    expect(folders.map(check)).toEqual([refused, refused, refused, refused]);
    chmodSync(open, 0o1777);
    expect(folders.map(check)).toEqual(['ok', 'ok', refused, 'ok']);
    // As a file system in memory, below a folder that nobody else enters.
    chmodSync(dir, 0o700);
    expect(folders.map(check)).toEqual(['ok', 'ok', 'ok', 'ok']);
  });
});
