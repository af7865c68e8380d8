import { basename } from 'node:path';
import { execa } from 'execa';
import { Unhealthy } from '../../probes/probe.ts';
import { until } from '../../probes/until.ts';
import { reasonOf } from '../../src/lib/errors.ts';
import type { Docker } from './docker.ts';

/** A container of the image under test. */
export interface DockerNode {
  readonly name: string;
  /** Runs `k8s-single` in it and resolves with what it printed. @throws Error unless it exits with 0. */
  run(...args: string[]): Promise<string>;
  kubectl(...args: string[]): Promise<string>;
  /** What is to be applied goes in as text. */
  apply(yaml: string): Promise<void>;
  /** Makes the images of an archive of this machine known to it. */
  loadImage(archive: string): Promise<void>;
  /** Resolves when Docker says that it is healthy. */
  healthy(): Promise<void>;
  /** What `docker inspect` knows of it. */
  inspect(format: string): Promise<string>;
}

/** `docker run --privileged` of the image, with options in front of its name and arguments behind it. */
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
      const kubectl = [
        'exec',
        '--interactive',
        name,
        'k8s-single',
        'kubectl',
        '--',
        'apply',
        '--filename',
        '-',
      ];
      await execa('docker', kubectl, { env: docker.env, input: yaml });
    },
    async loadImage(archive) {
      const inside = `/root/${basename(archive)}`;
      await docker.run('cp', archive, `${name}:${inside}`);
      await run('image', 'load', inside);
    },
    async healthy() {
      const ended = new AbortController();
      const look = async (): Promise<void> => {
        const state = await inspect('{{.State.Status}} {{.State.Health.Status}} {{.State.ExitCode}}');
        const [status, healthStatus = '', code] = state.split(' ');
        if (status !== 'running') ended.abort(new Error(`${name} is ${status} with exit code ${code}`));
        else if (healthStatus !== 'healthy') throw new Unhealthy(healthStatus);
      };
      await until(look, { timeoutMs: 120_000 }, ended.signal).catch(async (error: unknown) => {
        const { all } = await execa('docker', ['logs', name], { env: docker.env, all: true });
        throw new Error(`${reasonOf(error)}; it said:\n${all}`, { cause: error });
      });
    },
  };
}
