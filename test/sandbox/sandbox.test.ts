import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tcp } from '../../probes/kinds/tcp.ts';
import { until } from '../../probes/until.ts';
import { sandboxes, startSandbox, newSandbox, runInSandbox } from '../support/sandbox.ts';

sandboxes();

/** The shell command that runs this JavaScript. */
const node = (code: string): string => `'${process.execPath}' -e "${code}"`;

describe('in a sandbox', () => {
  test('PID 1 reaps a thousand orphans', async () => {
    const orphans =
      'for i in $(seq 1000); do (sh -c : &); done; while pgrep -x sh -P 1 > /dev/null; do :; done';
    const { stdout } = await runInSandbox(
      newSandbox(),
      `cat /proc/1/comm; ${orphans}; ps -eo stat= | grep -c Z`,
    );
    expect(stdout).toBe('sh\n0\n');
  });

  test('only writes to the data, run and kept folders reach the host', async () => {
    const plain = newSandbox();
    const kept = join(tmpdir(), `${plain.name}-kept`);
    const memory = join(plain.data, 'memory');
    const sandbox = { ...plain, kept: [kept], tmpfs: [memory] };
    mkdirSync(kept);
    onTestFinished(() => rmSync(kept, { recursive: true }));
    const folders = [
      '/etc',
      '/opt',
      '/tmp',
      '/usr',
      '/var',
      '/var/tmp',
      '/run',
      '/dev/shm',
      memory,
      sandbox.data,
      sandbox.run,
      kept,
    ];
    const files = folders.map((folder) => join(folder, `${sandbox.name}.txt`));
    const { received } = startSandbox(
      sandbox,
      `set -e; for f in ${files.join(' ')}; do echo $f > $f; cat $f; done`,
      'stay',
    );
    expect(await received('stdout')).toBe(files.map((file) => `${file}\n`).join(''));
    expect(files.filter((file) => existsSync(file))).toEqual(files.slice(-3));
  });

  test('what is written to /etc, /opt, /tmp and /var is kept in the data folder, as for hostPath', async () => {
    const sandbox = newSandbox();
    const files = ['/etc', '/opt', '/tmp', '/var/lib'].map((folder) => join(folder, `${sandbox.name}.txt`));
    await runInSandbox(
      sandbox,
      `for f in ${files.join(' ')} /usr/${sandbox.name}.txt; do echo $f > $f; done`,
    );
    const { stdout } = await runInSandbox(sandbox, `cat ${files.join(' ')}; stat -c %a /tmp; ls /usr`);
    expect(stdout).toContain([...files, '1777', ''].join('\n'));
    expect(stdout?.split('\n')).not.toContain(`${sandbox.name}.txt`);
    expect(files.filter((file) => existsSync(file))).toEqual([]);
  });

  test('a new start does not find what belongs to the last one', async () => {
    const sandbox = newSandbox();
    const write = 'mkdir -p /var/lib/cni/results /var/lib/kubelet/device-plugins';
    const stale = ['/var/lib/cni/results/x', '/var/lib/kubelet/device-plugins/x', '/run/x', '/var/run/y'];
    await runInSandbox(sandbox, `${write}; for f in ${stale.join(' ')} /etc/hosts; do echo stale > $f; done`);
    const { stdout } = await runInSandbox(sandbox, `ls ${stale.join(' ')} 2> /dev/null; cat /etc/hosts`);
    expect(stdout).toMatch(
      new RegExp(`^127.0.0.1 localhost\n.* ${sandbox.nodeName}\n.* host.k8s-single.internal\n$`),
    );
  });

  test('a link that a pod has left in the way does not lead to files of the host', async () => {
    const sandbox = newSandbox();
    const mine = join(tmpdir(), `${sandbox.name}-mine`);
    mkdirSync(join(mine, 'cni'), { recursive: true });
    onTestFinished(() => rmSync(mine, { recursive: true }));
    await runInSandbox(sandbox, 'mkdir -p /var/lib/cni; echo > /var/lib/made');
    const upper = join(sandbox.data, 'system-folders/upper/var/lib');
    rmSync(upper, { recursive: true });
    symlinkSync(mine, upper);
    await runInSandbox(sandbox, ':');
    expect(existsSync(join(mine, 'cni'))).toBe(true);
  });

  test('changes are in memory where the data goes with the node, or cannot be the upper layer of an overlay', async () => {
    const plain = newSandbox();
    const ephemeral = { ...plain, data: join(plain.run, 'data') };
    const { stdout } = await runInSandbox(ephemeral, 'echo x > /var/x; ls $0; stat -f -c %T /var');
    expect(stdout).not.toContain('system-folders');
    const other = newSandbox();
    // The kernel refuses an upper layer on an overlay.
    const [lower, upper, work] = ['lower', 'upper', 'work'].map((part) => join(`${other.data}-layers`, part));
    for (const folder of [lower!, upper!, work!, other.data]) mkdirSync(folder, { recursive: true });
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await execa('mount', ['--no-mtab', '-t', 'overlay', '-o', options, 'overlay', other.data]);
    onTestFinished(async () => void (await execa('umount', ['--no-mtab', other.data])));
    await runInSandbox(other, 'echo hello > /var/lib/x');
    expect(existsSync(join(other.data, 'system-folders'))).toBe(false);
  });

  test('a disk below a folder that is an overlay inside is measured right: by its mount point', async () => {
    const plain = newSandbox();
    const disk = `${plain.data}-disk`;
    mkdirSync(disk);
    await execa('mount', ['--no-mtab', '-t', 'tmpfs', '-o', 'size=77m', 'tmpfs', disk]);
    onTestFinished(async () => void (await execa('umount', ['--no-mtab', disk])));
    const { stdout } = await runInSandbox(
      { ...plain, data: join(disk, 'node') },
      `stat -f -c '%b %S' ${disk}`,
    );
    const [blocks = 0, size = 0] = stdout!.trim().split(' ').map(Number);
    expect(blocks * size).toBe(77 * 2 ** 20);
  });

  test('a folder in memory is measured right: by any mount point of its tmpfs', async () => {
    const plain = newSandbox();
    const folder = join(plain.run, 'data/kubelet');
    const { stdout } = await runInSandbox(
      { ...plain, data: join(plain.run, 'data'), tmpfs: [folder] },
      `d=$(mountpoint -d ${folder}); awk -v d="$d" '$3 == d { print $5 }' /proc/self/mountinfo | while read -r p; do stat -c '%Hd:%Ld %n' "$p"; done; echo $d`,
    );
    const lines = stdout!.trim().split('\n');
    const device = lines.pop();
    expect(lines).toContain(`${device} ${folder}`);
    expect(lines.filter((line) => !line.startsWith(`${device} `))).toEqual([]);
  });

  test('a data folder below /dev/shm is that of the host, and nothing else there', async () => {
    const plain = newSandbox();
    const data = mkdtempSync('/dev/shm/k8s-single-test-');
    onTestFinished(() => rmSync(data, { recursive: true, force: true }));
    const { stdout } = await runInSandbox(
      { ...plain, data },
      `echo kept > ${data}/x; echo own > /dev/shm/${plain.name}; ls /dev/shm`,
    );
    expect(readFileSync(join(data, 'x'), 'utf8')).toBe('kept\n');
    expect(stdout).toContain(plain.name);
    expect(existsSync(`/dev/shm/${plain.name}`)).toBe(false);
  });

  test('the kernel settings that kubelet writes do not change on the host', async () => {
    const files = ['kernel/panic', 'kernel/panic_on_oops', 'vm/overcommit_memory', 'net/ipv4/ip_forward'];
    const paths = files.map((file) => join('/proc/sys', file));
    const before = paths.map((path) => readFileSync(path, 'utf8'));
    const { received } = startSandbox(
      newSandbox(),
      `for f in ${paths.join(' ')}; do echo 77 > $f && cat $f; done`,
      'stay',
    );
    expect(await received('stdout')).toBe('77\n77\n77\n77\n');
    expect(paths.map((path) => readFileSync(path, 'utf8'))).toEqual(before);
  });

  test('the host name resolves, and any other name fails at once', async () => {
    const sandbox = newSandbox();
    const resolve = node(`require('dns').resolve4('example.invalid', (error) => console.log(error.code))`);
    const { stdout } = await runInSandbox(
      sandbox,
      `hostname; getent hosts ${sandbox.nodeName} | awk '{ print $2 }'; ${resolve}`,
    );
    expect(stdout).toBe(`${sandbox.nodeName}\n${sandbox.nodeName}\nECONNREFUSED\n`);
  });

  test('a packet for a Service has a route, which ends in the sandbox', async () => {
    const sandbox = { ...newSandbox(), serviceCidr: '10.99.0.0/24' };
    const { stdout, inside } = await runInSandbox(
      sandbox,
      'ip route get 10.99.0.7; ip route get 10.98.0.7 2>&1',
    );
    expect(stdout).toContain(`10.99.0.7 dev lo src ${inside?.nodeIp} `);
    expect(stdout).toContain('No route to host');
  });

  test('the host reaches the node, and the node reaches nothing but the host', async () => {
    const serve = node(`require('net').createServer().listen(7777)`);
    const call = (host: string) =>
      node(`require('net').connect(80, '${host}').on('error', (error) => console.log(error.code))`);
    const { received } = startSandbox(
      newSandbox(),
      `(${serve} > /dev/null 2>&1 &); ${call('169.254.169.254')}; ${call('192.0.2.1')}`,
      'stay',
    );
    expect(await received('stdout')).toBe('EHOSTUNREACH\nEHOSTUNREACH\n');
    const { nodeIp } = await received('inside');
    await until(tcp(7777, nodeIp), { timeoutMs: 10_000 }, new AbortController().signal);
  });

  test('only its own interfaces exist, mounts are shared, and processes are in the cgroup of the node', async () => {
    const sandbox = newSandbox();
    const { stdout } = await runInSandbox(
      sandbox,
      `ls /sys/class/net; findmnt -n -o PROPAGATION /; cut -d: -f3 /proc/1/cgroup | sort -u`,
    );
    expect(stdout).toBe(`eth0\nlo\nshared\n/k8s-single-${sandbox.name}/supervisor\n`);
  });

  test('a folder of the node can be bound to another path', async () => {
    const sandbox = newSandbox();
    const binds = { '/var/log/pods': join(sandbox.data, 'pods') };
    await runInSandbox({ ...sandbox, binds }, 'echo hello > /var/log/pods/log');
    expect(readFileSync(join(sandbox.data, 'pods/log'), 'utf8')).toBe('hello\n');
  });

  test('a data folder that is a mount point on the host is mounted in the sandbox', async () => {
    const sandbox = newSandbox();
    mkdirSync(sandbox.data);
    await execa('mount', ['--no-mtab', '-t', 'tmpfs', 'tmpfs', sandbox.data]);
    onTestFinished(async () => void (await execa('umount', ['--no-mtab', sandbox.data])));
    await runInSandbox(sandbox, `echo hello > ${sandbox.data}/file`);
    expect(readFileSync(join(sandbox.data, 'file'), 'utf8')).toBe('hello\n');
  });

  test('programs inherit no descriptors of the sandbox, and not its environment variable', async () => {
    const { stdout } = await runInSandbox(
      newSandbox(),
      'ls -l /proc/self/fd | grep -c "net:\\|lock"; env | grep -c K8S_SINGLE_SANDBOX',
    );
    expect(stdout).toBe('0\n0\n');
  });
});
