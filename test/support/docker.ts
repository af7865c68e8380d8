import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { http } from '../../probes/kinds/http.ts';
import { until } from '../../probes/until.ts';
import { install } from '../../src/install/install.ts';
import { nodeCgroup } from '../../src/host/cgroup/nodeCgroup.ts';
import { cacheDir, nodePaths } from '../../src/lib/paths.ts';
import { debianRoot } from '../config/debianRoot.ts';

const dist = join(import.meta.dirname, '../../dist');
const fixtures = join(import.meta.dirname, '../fixtures');

/** Docker Engine in a box of its own, which reaches nothing but this machine. */
export interface Docker extends AsyncDisposable {
  /** Where published ports are: the box, as this machine sees it. */
  readonly ip: string;
  /** Makes `docker`, and whatever calls it, speak to this engine. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs the client and resolves with what it printed. @throws Error with all that was said unless it exits with 0. */
  run(...args: string[]): Promise<string>;
}

/**
 * Starts Debian's Docker Engine, which is unpacked into the cache and not installed, in a box called `name`. The layers of
 * images stay in the cache, too; containers and volumes of before are gone. One at a time.
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
  const inside = {
    name,
    nodeName: name,
    run: runDir,
    data,
    task: { debianRoot: root, path: searchPath },
    argv: [process.execPath, join(fixtures, 'docker/dockerd.mjs'), dist, config],
  };
  await using log = await open(join(data, 'dockerd.log'), 'w');
  const box = spawn(
    process.execPath,
    [join(fixtures, 'sandbox/launcher.mjs'), dist, JSON.stringify(inside)],
    {
      stdio: ['pipe', log.fd, log.fd],
    },
  );
  const ended = new AbortController();
  const end = async (): Promise<void> => {
    box.kill('SIGTERM');
    if (!ended.signal.aborted) await once(box, 'exit');
  };
  box.once('exit', () => ended.abort(new Error(`dockerd has ended: see ${data}/dockerd.log`)));
  try {
    const ping = http('http://docker/_ping', { socketPath: socket });
    await until(ping, { timeoutMs: 30_000 }, ended.signal);
    const env = {
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_CONFIG: join(data, 'client'),
      DOCKER_BUILDKIT: '1',
      PATH: [join(root, 'usr/bin'), process.env['PATH']].join(delimiter),
    };
    const run = async (...args: string[]): Promise<string> => (await execa('docker', args, { env })).stdout;
    await removeContainers(run);
    const ip = await readFile(join(runDir, 'address'), 'utf8');
    return { ip, env, run, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Of dockerd(8). */
function daemonConfig(name: string, dataRoot: string, socket: string): object {
  return {
    'data-root': dataRoot,
    hosts: [`unix://${socket}`],
    // What is left of a container goes with the box.
    'cgroup-parent': `${nodeCgroup(name)}/docker`,
    // Its default is a public one.
    dns: ['127.0.0.1'],
    // A lower one takes CAP_SYS_RESOURCE.
    'oom-score-adjust': 0,
    builder: { gc: { enabled: true, defaultKeepStorage: '2GB' } },
    runtimes: { here: { path: join(fixtures, 'docker/runc') } },
    'default-runtime': 'here',
  };
}

async function removeContainers(run: Docker['run']): Promise<void> {
  const containers = (await run('ps', '--all', '--quiet')).split('\n').filter(Boolean);
  if (containers.length > 0) await run('rm', '--force', ...containers);
  await run('volume', 'prune', '--force');
  await run('image', 'prune', '--force');
}
