import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, onTestFinished, test } from 'vitest';
import { hierarchies } from '../../../src/host/cgroup/hierarchies.ts';
import { main, tempDir } from '../../support/cli.ts';

/** Runs doctor in namespaces that a shell script has set up. In its PID namespace it seems to be in a container. */
async function doctor(setUp: string, ...args: string[]) {
  return doctorIn(['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'], setUp, args);
}

/** The same on a host, for a node in a sandbox. */
async function doctorOnHost(setUp: string, ...args: string[]) {
  return doctorIn(['--net', '--mount'], setUp, args);
}

async function doctorIn(unshare: string[], setUp: string, args: string[]) {
  const run = `set -e; ${setUp}\nexec '${process.execPath}' '${main}' doctor --name doctor-test "$@"`;
  const result = await execa('unshare', [...unshare, 'sh', '-c', run, 'sh', ...args], { reject: false });
  return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
}

const address =
  'ip link add eth0 type veth peer name peer; ip address add 192.0.2.9/24 dev eth0; ip link set peer up; ip link set eth0 up';

test('what would keep a node from running on the host is a problem, with a remedy', async () => {
  const readOnly =
    'echo 0 > /proc/sys/net/ipv4/ip_forward; mount -n --bind /proc/sys /proc/sys; mount -n -o remount,bind,ro /proc/sys; ' +
    'mount -n -t tmpfs -o ro tmpfs /sys/fs/cgroup';
  const { exitCode, stdout } = await doctor(readOnly, '--host');
  expect(exitCode).toBe(3);
  expect(stdout).toMatch(/✗ forwarding +net.ipv4.ip_forward is 0.* and read-only\n.*--privileged.*--sysctl/);
  expect(stdout).toMatch(/✗ cgroups .*\n.*--privileged/);
  expect(stdout).toMatch(/✗ address +no network interface has an IPv4 address/);
});

test('an address that has changed is shown with the previous one', async () => {
  const dir = await tempDir('doctor');
  await mkdir(join(dir, 'kubeconfig'));
  await writeFile(
    join(dir, 'kubeconfig/admin.conf'),
    'clusters: [{ cluster: { server: https://192.0.2.8:6443 } }]',
  );
  const { stdout } = await doctor(address, '--host', '--data-dir', dir);
  expect(stdout).toContain('192.0.2.9, was 192.0.2.8: certificates will be issued again');
});

test('what a node can do without is a note: what was found, what is chosen, the remedy', async () => {
  const dir = await tempDir('doctor');
  const poor =
    `${address}; mount -n -t tmpfs tmpfs /dev; mknod -m 666 /dev/null c 1 3; ` +
    `mount -n -t tmpfs tmpfs ${dir}; cd ${dir}; mkdir l u w data; ` +
    'mount -n -t overlay -o lowerdir=l,upperdir=u,workdir=w o data';
  const { stdout } = await doctor(poor, '--host', '--data-dir', `${dir}/data`);
  expect(stdout).toMatch(/· kernel log +none .*: the kubelet gets an empty one.*\n.*--device \/dev\/kmsg/);
  expect(stdout).toMatch(/· snapshotter +native: .*\n.*a volume/);
  expect(stdout).toMatch(/✓ address +192\.0\.2\.9\n/);
  expect(stdout).toMatch(/✓ swap +/);
  expect(stdout).not.toMatch(/✗ (?!port)/);
});

describe('ports', () => {
  /** Starts a process that listens on these ports before doctor runs. */
  const listenOn = (dir: string, ...ports: number[]): string => {
    const listen = ports.map((port) => `await once(createServer().listen(${port}), "listening");`).join(' ');
    const script = join(dir, 'listen.mjs');
    return (
      `mkfifo ${dir}/ready; cat > ${script} <<'END'\nimport { once } from 'node:events'; import { createServer } from 'node:net';\n` +
      `import { writeFileSync } from 'node:fs';\n${listen}\nwriteFileSync('${dir}/ready', 'ready\\n');\nEND\n` +
      `'${process.execPath}' ${script} & read ready < ${dir}/ready`
    );
  };

  /** A folder with a kube-apiserver of this version, as far as doctor can see. */
  async function binDirOf(dir: string, version: string): Promise<string> {
    const file = join(dir, 'kube-apiserver');
    await writeFile(file, `#!/bin/sh\necho Kubernetes v${version}\n`);
    await chmod(file, 0o755);
    return dir;
  }

  test.each([
    ['1.20.2', ['10251', '10252'], ['10257', '10259']],
    ['1.22.0', ['10257', '10259'], ['10251', '10252']],
  ])('of the components of Kubernetes %s that are taken are problems', async (version, used, unused) => {
    const dir = await tempDir('doctor');
    const args = ['--host', '--bin-dir', await binDirOf(dir, version)];
    const { exitCode, stdout } = await doctor(listenOn(dir, 10_251, 10_252, 10_257, 10_259), ...args);
    expect(exitCode).toBe(3);
    for (const port of used) {
      expect(stdout).toMatch(
        new RegExp(`✗ port ${port} +(scheduler|controller-manager) needs it, but it is held by pid .*listen`),
      );
    }
    for (const port of unused) expect(stdout).not.toContain(port);
  });

  test('that the node itself holds are no problem', async () => {
    const dir = await tempDir('doctor');
    // A new cgroup of cpuset has no CPUs on v1.
    const roots = hierarchies().filter(({ root }) => !root.includes('cpuset'));
    const groups = roots.map(({ root }) => join(root, 'k8s-single-doctor-test/supervisor'));
    const leave = roots.map(({ root }) => `echo $$ > ${root}/cgroup.procs`);
    onTestFinished(
      async () => void (await execa('rmdir', ['--parents', '--ignore-fail-on-non-empty', ...groups])),
    );
    const joinGroups = groups.map((group) => `mkdir -p ${group}; echo $$ > ${group}/cgroup.procs`);
    const config = join(dir, 'graph.yaml');
    await writeFile(
      config,
      'kubernetes: false\ncomponents: { web: { command: [sleep, "9"], ports: [8080] } }\n',
    );
    const own = `${joinGroups.join('; ')}; ${listenOn(dir, 8080)}; ${leave.join('; ')}`;
    const { exitCode, stdout } = await doctor(own, '--config', config);
    expect(stdout).toMatch(/✓ ports +held by the node itself/);
    expect(exitCode).toBe(0);
  });

  test('are those of the config', async () => {
    const dir = await tempDir('doctor');
    const config = join(dir, 'node.yaml');
    await writeFile(config, 'network: { apiserverPort: 7443 }\n');
    const { stdout } = await doctor(listenOn(dir, 6443, 7443), '--host', '--config', config);
    expect(stdout).toMatch(/✗ port 7443 +apiserver needs it/);
    expect(stdout).not.toContain('6443');
  });

  test('of a graph without Kubernetes are checked even without --host, and no requirements of Kubernetes', async () => {
    const dir = await tempDir('doctor');
    const config = join(dir, 'graph.yaml');
    const components = 'components: { web: { command: [sleep, "9"], ports: [8080] } }';
    await writeFile(config, `kubernetes: false\n${components}\n`);
    const { exitCode, stdout } = await doctor(listenOn(dir, 8080), '--config', config);
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/✗ port 8080 +web needs it/);
    expect(stdout).not.toMatch(/cgroups|binaries/);
    expect((await doctor('true', '--config', config)).exitCode).toBe(0);
  });
});

test('a running node is checked where its data is', async () => {
  const dir = await tempDir('doctor');
  const node = JSON.stringify({ name: 'doctor-test', pid: 1, ip: '172.30.9.2', dataDir: dir });
  const running = `mount -n -t tmpfs tmpfs /run; mkdir -p /run/k8s-single/doctor-test; echo '${node}' > /run/k8s-single/doctor-test/node.json`;
  const { stdout } = await doctorOnHost(running);
  expect(stdout).toMatch(new RegExp(`✓ data +${dir}\n`));
  expect(stdout).toMatch(new RegExp(`✓ disk +.* free for ${dir}`));
  expect(stdout).toMatch(/✓ subnet +172\.30\.9\.2: the running node\n/);
  const elsewhere = await doctorOnHost(running, '--data-dir', `${dir}/other`);
  expect(elsewhere.stdout).toMatch(new RegExp(`✓ data +${dir}/other\n`));
});

describe('the subnet of a node in a sandbox', () => {
  test('is the one that up would take', async () => {
    const { stdout } = await doctorOnHost('ip link set lo up; ip address add 172.30.1.1/24 dev lo');
    expect(stdout).toMatch(/✓ subnet +172\.30\.\d+\.0\/30 is free\n/);
  });

  test('is of network.nodeSubnet, and a problem when none of it is free', async () => {
    const dir = await tempDir('doctor');
    const config = join(dir, 'node.yaml');
    await writeFile(config, 'network: { nodeSubnet: 10.77.0.0/30 }\n');
    expect((await doctorOnHost('true', '--config', config)).stdout).toMatch(
      /✓ subnet +10\.77\.0\.0\/30 is free/,
    );
    const taken = 'ip link set lo up; ip address add 10.77.0.1/32 dev lo';
    const { exitCode, stdout } = await doctorOnHost(taken, '--config', config);
    expect(stdout).toMatch(
      /✗ subnet +no subnet of network.nodeSubnet 10.77.0.0\/30 is free for the node: 10.77.0.1 is in it\n.*ip route/,
    );
    expect(exitCode).toBe(3);
  });
});

test('an invalid config is refused', async () => {
  const { exitCode, stderr } = await doctor('true', '--config', '/no/such/file.yaml');
  expect(stderr).toContain('cannot read the config /no/such/file.yaml');
  expect(exitCode).toBe(2);
});

test('with an empty cache, it says that CoreDNS comes with an official release', async () => {
  const cache = await tempDir('doctor-cache');
  const { stdout } = await doctorOnHost(`export XDG_CACHE_HOME=${cache} PATH=/usr/sbin:/usr/bin:/sbin:/bin`);
  expect(stdout).toMatch(/· kube-apiserver +missing\n/);
  expect(stdout).toMatch(
    /✓ dns +CoreDNS, if Kubernetes is installed from an official release; else the embedded server\n/,
  );
});
