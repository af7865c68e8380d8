import { existsSync } from 'node:fs';
import { readFile, statfs } from 'node:fs/promises';
import { arch, cpus, freemem, loadavg, release, totalmem, uptime, version } from 'node:os';
import { inContainer } from '../../host/preflight.ts';

/** What a machine is like on which something went wrong. Sizes in bytes, times in s; nothing that names it. */
export async function hostFacts(dataDir: string): Promise<object> {
  const processors = cpus();
  const disk = await statfs(dataDir);
  return {
    system:
      /^PRETTY_NAME="?([^"\n]*)/m.exec(await readFile('/etc/os-release', 'utf8').catch(() => ''))?.[1] ??
      null,
    kernel: `${release()} ${version()}`,
    architecture: arch(),
    processors: { count: processors.length, model: processors[0]?.model ?? null },
    load: loadavg(),
    memory: { total: totalmem(), free: freemem() },
    disk: { total: disk.blocks * disk.bsize, free: disk.bavail * disk.bsize },
    uptime: uptime(),
    cgroups: existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'v2' : 'v1',
    container: inContainer() ?? null,
  };
}
