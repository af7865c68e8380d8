import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tcp } from '../../probes/kinds/tcp.ts';
import { until } from '../../probes/until.ts';
import { boxes, enterBox, newBox, runInBox } from '../support/box.ts';

boxes();

const node = (code: string): string => `'${process.execPath}' -e "${code}"`;

describe('in a box', () => {
  test('PID 1 reaps a thousand orphans', async () => {
    const orphans =
      'for i in $(seq 1000); do (sh -c : &); done; while pgrep -x sh -P 1 > /dev/null; do :; done';
    const { stdout } = await runInBox(newBox(), `cat /proc/1/comm; ${orphans}; ps -eo stat= | grep -c Z`);
    expect(stdout).toBe('sh\n0\n');
  });

  test('a write reaches the host in the data, run and kept folders only', async () => {
    const plain = newBox();
    const kept = join(tmpdir(), `${plain.name}-kept`);
    const memory = join(plain.data, 'memory');
    const box = { ...plain, kept: [kept], tmpfs: [memory] };
    mkdirSync(kept);
    onTestFinished(() => rmSync(kept, { recursive: true }));
    const places = [
      '/etc',
      '/opt',
      '/tmp',
      '/usr',
      '/var',
      '/var/tmp',
      '/run',
      '/dev/shm',
      memory,
      box.data,
      box.run,
      kept,
    ];
    const files = places.map((place) => join(place, `${box.name}.txt`));
    const { heard } = enterBox(
      box,
      `set -e; for f in ${files.join(' ')}; do echo $f > $f; cat $f; done`,
      'stay',
    );
    expect(await heard('stdout')).toBe(files.map((file) => `${file}\n`).join(''));
    expect(files.filter((file) => existsSync(file))).toEqual(files.slice(-3));
  });

  test('the settings of the kernel that kubelet writes stay what they are on the host', async () => {
    const files = ['kernel/panic', 'kernel/panic_on_oops', 'vm/overcommit_memory', 'net/ipv4/ip_forward'];
    const paths = files.map((file) => join('/proc/sys', file));
    const before = paths.map((path) => readFileSync(path, 'utf8'));
    const { heard } = enterBox(
      newBox(),
      `for f in ${paths.join(' ')}; do echo 77 > $f && cat $f; done`,
      'stay',
    );
    expect(await heard('stdout')).toBe('77\n77\n77\n77\n');
    expect(paths.map((path) => readFileSync(path, 'utf8'))).toEqual(before);
  });

  test('the host name resolves, and any other name fails at once', async () => {
    const box = newBox();
    const look = node(`require('dns').resolve4('example.invalid', (error) => console.log(error.code))`);
    const { stdout } = await runInBox(
      box,
      `hostname; getent hosts ${box.nodeName} | awk '{ print $2 }'; ${look}`,
    );
    expect(stdout).toBe(`${box.nodeName}\n${box.nodeName}\nECONNREFUSED\n`);
  });

  test('the host reaches the node, and the node reaches nothing but the host', async () => {
    const serve = node(`require('net').createServer().listen(7777)`);
    const call = (host: string) =>
      node(`require('net').connect(80, '${host}').on('error', (error) => console.log(error.code))`);
    const { heard } = enterBox(
      newBox(),
      `(${serve} > /dev/null 2>&1 &); ${call('169.254.169.254')}; ${call('192.0.2.1')}`,
      'stay',
    );
    expect(await heard('stdout')).toBe('EHOSTUNREACH\nEHOSTUNREACH\n');
    const { nodeIp } = await heard('inside');
    await until(tcp(7777, nodeIp), { timeoutMs: 10_000 }, new AbortController().signal);
  });

  test('only its own interfaces are seen, mounts are shared, and all is in the cgroup of the node', async () => {
    const box = newBox();
    const { stdout } = await runInBox(
      box,
      `ls /sys/class/net; findmnt -n -o PROPAGATION /; cut -d: -f3 /proc/1/cgroup | sort -u`,
    );
    expect(stdout).toBe(`eth0\nlo\nshared\n/k8s-single-${box.name}/supervisor\n`);
  });

  test('a folder of the node is bound elsewhere, too', async () => {
    const box = newBox();
    const binds = { '/var/log/pods': join(box.data, 'pods') };
    await runInBox({ ...box, binds }, 'echo hello > /var/log/pods/log');
    expect(readFileSync(join(box.data, 'pods/log'), 'utf8')).toBe('hello\n');
  });

  test('a data folder that is a disk of its own is the real one, too', async () => {
    const box = newBox();
    mkdirSync(box.data);
    await execa('mount', ['--no-mtab', '-t', 'tmpfs', 'tmpfs', box.data]);
    onTestFinished(async () => void (await execa('umount', ['--no-mtab', box.data])));
    await runInBox(box, `echo hello > ${box.data}/file`);
    expect(readFileSync(join(box.data, 'file'), 'utf8')).toBe('hello\n');
  });

  test('descriptors and the mark of the box are not handed on', async () => {
    const { stdout } = await runInBox(
      newBox(),
      'ls -l /proc/self/fd | grep -c "net:\\|lock"; env | grep -c K8S_SINGLE_SANDBOX',
    );
    expect(stdout).toBe('0\n0\n');
  });
});
