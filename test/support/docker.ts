import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { execa } from 'execa';
import { http } from '../../probes/kinds/http.ts';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { install } from '../../src/install/install.ts';
import { reasonOf } from '../../src/lib/errors.ts';
import { cacheDir, nodePaths } from '../../src/lib/paths.ts';
import { debianRoot } from '../config/debianRoot.ts';

const dist = join(import.meta.dirname, '../../dist');
const fixtures = join(import.meta.dirname, '../fixtures');

/** Docker Engine in a sandbox, from which nothing but this machine can be reached. */
export interface Docker extends AsyncDisposable {
  /** The address of the sandbox, at which published ports can be reached. */
  readonly ip: string;
  /** The environment in which `docker` talks to this engine. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `docker` and resolves with its stdout. @throws Error with its output unless it exits with 0 */
  run(...args: string[]): Promise<string>;
}

/**
 * Starts Debian's Docker Engine in a sandbox called `name`; the packages are unpacked into the cache, not installed. Keeps the
 * layers of images in the cache; removes the containers and volumes of the last run. Only one can run at a time.
 */
export async function startDocker(name: string): Promise<Docker> {
  const { root } = await debianRoot(['docker.io']);
  const { searchPath } = await install({ binDirs: [], cacheDir: cacheDir() });
  const data = join(cacheDir(), 'test/docker');
  const { run: runDir } = nodePaths(name);
  const socket = join(runDir, 'docker.sock');
  await mkdir(data, { recursive: true });
  const config = join(data, 'daemon.json');
  await writeFile(config, JSON.stringify(daemonConfig(name, join(data, 'root'), socket)));
  const spec = {
    name,
    nodeName: name,
    run: runDir,
    data,
    task: { debianRoot: root, path: searchPath },
    argv: [process.execPath, join(fixtures, 'docker/dockerd.mjs'), dist, config],
  };
  await using log = await open(join(data, 'dockerd.log'), 'w');
  const launcher = spawn(
    process.execPath,
    [join(fixtures, 'sandbox/launcher.mjs'), dist, JSON.stringify(spec)],
    { stdio: ['pipe', log.fd, log.fd] },
  );
  const exited = new AbortController();
  const stop = async (): Promise<void> => {
    launcher.kill('SIGTERM');
    if (!exited.signal.aborted) await once(launcher, 'exit');
  };
  launcher.once('exit', () => exited.abort(new Error(`dockerd exited: see ${data}/dockerd.log`)));
  try {
    const ping = http('http://docker/_ping', { socketPath: socket });
    await until(ping, { timeoutMs: 30_000 }, exited.signal);
    const env = {
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_CONFIG: join(data, 'client'),
      DOCKER_BUILDKIT: '1',
      PATH: [join(root, 'usr/bin'), process.env['PATH']].join(delimiter),
    };
    const run = async (...args: string[]): Promise<string> => (await execa('docker', args, { env })).stdout;
    await removeContainers(run);
    const ip = await readFile(join(runDir, 'address'), 'utf8');
    return { ip, env, run, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The configuration of dockerd(8). */
function daemonConfig(name: string, dataRoot: string, socket: string): object {
  return {
    'data-root': dataRoot,
    hosts: [`unix://${socket}`],
    // Containers are removed with the sandbox.
    'cgroup-parent': `${nodeCgroup(name)}/docker`,
    // The default is a public server.
    dns: ['127.0.0.1'],
    // A lower score takes CAP_SYS_RESOURCE.
    'oom-score-adjust': 0,
    builder: { gc: { enabled: true, defaultKeepStorage: '2GB' } },
    runtimes: { fixture: { path: join(fixtures, 'docker/runc') } },
    'default-runtime': 'fixture',
  };
}

async function removeContainers(run: Docker['run']): Promise<void> {
  const containers = (await run('ps', '--all', '--quiet')).split('\n').filter(Boolean);
  if (containers.length > 0) await run('rm', '--force', ...containers);
  await run('volume', 'prune', '--force');
  await run('image', 'prune', '--force');
}

/** A container of the image under test. */
export interface DockerNode {
  readonly name: string;
  /** Runs `k8s-single` in the container and resolves with its stdout. @throws Error unless it exits with 0 */
  run(...args: string[]): Promise<string>;
  kubectl(...args: string[]): Promise<string>;
  /** Applies objects, given as YAML. */
  apply(yaml: string): Promise<void>;
  /** Loads the images of an archive on this machine into the node. */
  loadImage(archive: string): Promise<void>;
  /** Waits until Docker reports the container as healthy. */
  healthy(): Promise<void>;
  /** The output of `docker inspect`. */
  inspect(format: string): Promise<string>;
}

/** Runs the image with `docker run --privileged` and the given options. */
export async function runDockerNode(docker: Docker, name: string, ...options: string[]): Promise<DockerNode> {
  const health = ['--health-interval', '1s'];
  await docker.run('run', '--detach', '--privileged', '--name', name, ...health, ...options, 'k8s-single');
  const run = async (...args: string[]) => docker.run('exec', name, 'k8s-single', ...args);
  const inspect = async (format: string) => docker.run('inspect', '--format', format, name);
  return {
    name,
    run,
    inspect,
    kubectl: async (...args) => run('kubectl', '--', ...args),
    async apply(yaml) {
      const kubectl = ['k8s-single', 'kubectl', '--', 'apply', '--filename', '-'];
      await execa('docker', ['exec', '--interactive', name, ...kubectl], { env: docker.env, input: yaml });
    },
    async loadImage(archive) {
      const copy = `/root/${basename(archive)}`;
      await docker.run('cp', archive, `${name}:${copy}`);
      await run('image', 'load', copy);
    },
    async healthy() {
      const exited = new AbortController();
      const isHealthy = async (): Promise<void> => {
        const state = await inspect('{{.State.Status}} {{.State.Health.Status}} {{.State.ExitCode}}');
        const [status, healthStatus = '', code] = state.split(' ');
        if (status !== 'running') exited.abort(new Error(`${name} is ${status} with exit code ${code}`));
        else if (healthStatus !== 'healthy') throw new Unhealthy(healthStatus);
      };
      await until(isHealthy, { timeoutMs: 120_000 }, exited.signal).catch(async (error: unknown) => {
        const { all } = await execa('docker', ['logs', name], { env: docker.env, all: true });
        throw new Error(`${reasonOf(error)}; its output:\n${all}`, { cause: error });
      });
    },
  };
}
