import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
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
