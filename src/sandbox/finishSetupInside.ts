import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { haveJoinedNodeCgroup, joinNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import type { Outside } from './follow.ts';

/** In the box that is made around this process: does what nobody else can, when it is made. Call it once. Rejects as that does. */
export async function moveIn({ box, addresses, made }: Outside): Promise<void> {
  await made;
  // What was opened before is still the host's: look the working folder up anew.
  process.chdir(process.cwd());
  // Pods are reached through the node; the setting is the namespace's own.
  writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
  nameOfItsOwn(box.nodeName, addresses.nodeIp);
  // PID 1 is the init in front of us: with it in the cgroup the whole namespace can be found and ended by the cgroup.
  const pids = [1, process.pid];
  if (!haveJoinedNodeCgroup(box.name, pids)) await joinNodeCgroup(box.name, pids);
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
