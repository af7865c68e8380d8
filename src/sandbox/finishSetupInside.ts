import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { haveJoinedNodeCgroup, joinNodeCgroup } from '../host/cgroup/nodeCgroup.ts';
import { setSandboxSysctls } from '../host/sysctls.ts';
import type { ReceivedBoot } from './bootChannel.ts';
import { hostAlias } from './sandboxSpec.ts';

/**
 * In the sandbox: waits until it is provisioned, then does what only a process inside can do. Call it once.
 * @throws LauncherGone when the sandbox will not be provisioned
 */
export async function finishSetupInside({ spec, addresses, provisioned }: ReceivedBoot): Promise<void> {
  await provisioned;
  // The working folder was opened before the mounts and is still the host's: look it up again. The sandbox has its own /run and
  // /dev/shm, where it may be missing.
  const folder = process.cwd();
  process.chdir(existsSync(folder) ? folder : '/');
  await setSandboxSysctls();
  setHostName(spec, addresses);
  // PID 1 is the init in front of this process: with it in the cgroup, the whole namespace can be found and ended by it.
  const pids = [1, process.pid];
  if (!haveJoinedNodeCgroup(spec.name, pids)) await joinNodeCgroup(spec.name, pids);
}

/**
 * Sets the host name and the name server. By default it lets unknown names fail at once: the node's own address refuses queries,
 * in pods as well. A loopback address would be the pod's own, and a DNS server in a pod would ask itself.
 */
function setHostName(
  { nodeName, nameServer }: ReceivedBoot['spec'],
  { nodeIp, hostIp }: ReceivedBoot['addresses'],
): void {
  const files = {
    '/etc/hostname': `${nodeName}\n`,
    '/etc/hosts': `127.0.0.1 localhost\n${nodeIp} ${nodeName}\n${hostIp} ${hostAlias}\n`,
    '/etc/resolv.conf': `nameserver ${nameServer ?? nodeIp}\n`,
  };
  writeFileSync('/proc/sys/kernel/hostname', nodeName);
  for (const [file, text] of Object.entries(files)) {
    // A link of the host (systemd-resolved's) would dangle.
    rmSync(file, { force: true });
    writeFileSync(file, text);
    // Pods and users read them, whatever the umask of the shell that started the node.
    chmodSync(file, 0o644);
  }
}
