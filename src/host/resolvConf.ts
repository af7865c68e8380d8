import { readFile } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import { note, ok } from './checkResult.ts';
import type { CheckResult } from './checkResult.ts';

/** systemd-resolved writes the servers that it asks to the second file; the first then names only its own loopback address. */
const machineFiles = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'] as const;

/** Addresses that mean another machine in each network namespace: loopback, "any", and those of one link. */
const localAddresses = new BlockList();
localAddresses.addSubnet('127.0.0.0', 8, 'ipv4');
localAddresses.addSubnet('0.0.0.0', 8, 'ipv4');
localAddresses.addSubnet('::', 127, 'ipv6');
localAddresses.addSubnet('fe80::', 10, 'ipv6');

/** What pods with `dnsPolicy: Default` get: a resolv.conf of the machine, or the text of one for the node. */
export type PodResolvConf = { readonly file: string } | { readonly text: string };

/**
 * Finds name servers that pods can reach. A loopback address would be the pod's own, and a DNS server in a pod would ask itself.
 * Instead of such servers takes those of systemd-resolved, as kubeadm does, or else the rest of the file. If nothing is left,
 * the server is `ip`, the node's own address: a query is answered if a server listens there, and otherwise refused at once.
 * Prefers a file of the machine, because the kubelet reads it again for each pod.
 * @param files where to look, the first choice first; one that cannot be read counts as empty
 */
export async function podResolvConf(
  ip: string,
  files: readonly string[] = machineFiles,
): Promise<PodResolvConf> {
  const texts = await Promise.all(files.map(async (file) => readFile(file, 'utf8').catch(() => '')));
  const usable = texts.findIndex((text) => {
    const servers = serversIn(text);
    return servers.length > 0 && servers.every(isUsableInPods);
  });
  if (usable !== -1) return { file: files[usable]! };
  const text = texts.find((each) => serversIn(each).some(isUsableInPods)) ?? texts[0] ?? '';
  const servers = serversIn(text).filter(isUsableInPods);
  const lines = (servers.length === 0 ? [ip] : servers).map((server) => `nameserver ${server}`);
  const others = text.split('\n').filter((line) => /^\s*(?:search|options)\s/.test(line));
  return { text: [...lines, ...others, ''].join('\n') };
}

/**
 * A note if this machine has no name server that pods can reach, so that theirs is the node itself.
 * @param files as for {@link podResolvConf}
 */
export async function checkNameServers(files: readonly string[] = machineFiles): Promise<CheckResult> {
  // Stands for the node's address. Reserved (RFC 5737).
  const placeholder = '192.0.2.0';
  const found = await podResolvConf(placeholder, files);
  if ('file' in found) return ok('name servers', `those of ${found.file}`);
  const servers = serversIn(found.text);
  if (!servers.includes(placeholder)) return ok('name servers', servers.join(', '));
  return note(
    'name servers',
    `${files.join(' and ')} name none that pods can reach: in pods with dnsPolicy Default, such as CoreDNS, outside names fail`,
    'name a server of the network in /etc/resolv.conf; while the node is up, restart the kubelet then',
  );
}

/** The addresses in a resolv.conf, as the kubelet reads it: it refuses every pod if a line has none. */
function serversIn(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver\b[ \t]*(\S*)/gm)].map(([, address = '']) => address);
}

function isUsableInPods(server: string): boolean {
  const version = isIP(server);
  return version !== 0 && !localAddresses.check(server, version === 4 ? 'ipv4' : 'ipv6');
}
