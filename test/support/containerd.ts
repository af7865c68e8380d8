import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unix } from '../../probes/kinds/unix.ts';
import { until } from '../../probes/until.ts';
import { testBinaries } from './installBinaries.ts';

/** Starts a containerd without CRI, which only stores images, with everything in this folder. */
export async function startContainerd(dir: string) {
  const { containerd, ctr } = await testBinaries('containerd', 'ctr');
  const socket = join(dir, 'containerd.sock');
  await writeFile(
    join(dir, 'config.toml'),
    `version = 2
root = "${dir}/root"
state = "${dir}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
`,
  );
  const child = spawn(containerd, ['--config', join(dir, 'config.toml')], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  };
  await until(unix(socket), { timeoutMs: 20_000 }, new AbortController().signal);
  return { ctr, socket, stop };
}
