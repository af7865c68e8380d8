import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { fds } from './box.ts';
import type { Box } from './box.ts';
import type { Told } from './follow.ts';
import { createNodeCgroup, joinNodeCgroup } from './cgroup.ts';
import { viewOfItsOwn } from './mounts.ts';
import { connectToHost } from './network.ts';

/** The addresses of the two ends between host and node. */
export interface Addresses {
  readonly nodeIp: string;
  readonly hostIp: string;
}

/**
 * Makes the box around this process, which `enter` has started in new namespaces: cgroup, files, host name, network.
 * Call it once, first of all. Rejects with a preflight Failure; what is half made goes with the namespaces.
 */
export async function setUpInside({ box, routes }: Told): Promise<Addresses> {
  const [{ nodeIp, hostIp }] = await Promise.all([
    connectToHost(box, `/proc/${process.pid}/fd/${fds.hostNetwork}`, routes),
    ownGroupAndView(box),
  ]);
  nameOfItsOwn(box.nodeName, nodeIp);
  return { nodeIp, hostIp };
}

async function ownGroupAndView(box: Box): Promise<void> {
  await createNodeCgroup(box.name);
  await Promise.all([
    // PID 1 is the init in front of us: with it in the cgroup the whole namespace can be found and ended by the cgroup.
    joinNodeCgroup(box.name, [1, process.pid]),
    viewOfItsOwn(box),
  ]);
}

/** The host name, and names that resolve without asking anyone: a DNS server that is not there fails at once. */
function nameOfItsOwn(nodeName: string, nodeIp: string): void {
  const files = {
    '/etc/hostname': `${nodeName}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n${nodeIp} ${nodeName}\n`,
    '/etc/resolv.conf': 'nameserver 127.0.0.1\n',
  };
  writeFileSync('/proc/sys/kernel/hostname', nodeName);
  for (const [file, text] of Object.entries(files)) {
    // A link of the host (systemd-resolved's) would lead to nowhere.
    rmSync(file, { force: true });
    writeFileSync(file, text);
    // Whatever the umask of the one who started it, pods and users look names up.
    chmodSync(file, 0o644);
  }
}
