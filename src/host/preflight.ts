import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine } from '../lib/commandLine.ts';
import { Failure } from '../lib/errors.ts';
import { notInstalled, pathWithSbin } from './tool.ts';

/** Throws a preflight {@link Failure} unless this process runs as root. */
export function assertRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new Failure('preflight', 'this needs root: it creates namespaces, cgroups and containers', {
    hint: `sudo ${commandLine(process.argv)}`,
  });
}

/**
 * Rejects with a preflight {@link Failure} when this process cannot create the namespaces of a node. `alternative` is part of
 * the hint: how to run without them.
 */
export async function assertCanIsolate(
  alternative = 'run the node on the host itself with --host',
): Promise<void> {
  assertRoot();
  const args = ['--net', '--mount', '--uts', '--pid', '--ipc', '--fork', '--mount-proc', 'true'];
  const env = { ...process.env, PATH: pathWithSbin() };
  const trial = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'pipe'], env });
  let stderr = '';
  trial.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code, signal]: unknown[] = await once(trial, 'close').catch((error: unknown) => {
    throw notInstalled('unshare', error);
  });
  if (code !== 0) {
    throw new Failure(
      'preflight',
      `cannot create the node's namespaces: ${stderr.trim() || `unshare ended with ${String(code ?? signal)}`}`,
      { hint: `in a container run it with --privileged; or ${alternative}` },
    );
  }
}

/** PROC_PID_INIT_INO (include/linux/proc_ns.h): the PID namespace that the kernel creates at boot. */
const initialPidNamespace = 'pid:[4026531836]';

function pidNamespaceOf(root: string): string | undefined {
  try {
    return readlinkSync(join(root, 'proc/self/ns/pid'));
  } catch {
    return undefined;
  }
}

/**
 * Why this process seems to run in a container, where the container is the isolation; `undefined` on a host.
 * `root` is for tests.
 */
export function inContainer(root = '/', env: NodeJS.ProcessEnv = process.env): string | undefined {
  // First, because an image may contain any of the files below: no container has the initial PID namespace.
  if (pidNamespaceOf(root) === initialPidNamespace) return undefined;
  const marks = ['.dockerenv', 'run/.containerenv', 'run/systemd/container'];
  const mark = marks.find((file) => existsSync(join(root, file)));
  if (mark !== undefined) return `/${mark} exists`;
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return 'KUBERNETES_SERVICE_HOST is set';
  const read = (file: string): string => {
    try {
      return readFileSync(join(root, file), 'utf8');
    } catch {
      return '';
    }
  };
  const container = /(?:^|\0)container=([^\0]+)/.exec(read('proc/1/environ'))?.[1];
  if (container !== undefined) return `PID 1 runs with container=${container}`;
  const group = /[:/](?:docker|kubepods|containerd|lxc|libpod)[-/.].*/.exec(read('proc/1/cgroup'))?.[0];
  return group === undefined ? undefined : `PID 1 is in the cgroup ${group}`;
}
