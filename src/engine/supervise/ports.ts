import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';

/** The state of a listening socket in /proc/net/tcp (include/net/tcp_states.h). */
const listening = '0A';

/**
 * Who listens on a TCP port in this network namespace, on whatever address: "pid 123 (etcd --data-dir=...)", or undefined when
 * nobody does. Starts no connection.
 */
export async function portHolder(port: number): Promise<string | undefined> {
  if (isFree(port)) return undefined;
  const inode = listenerInode(port);
  if (inode === undefined) return undefined;
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    if (await holdsSocket(pid, inode)) return `pid ${pid} (${await commandLine(pid)})`;
  }
  return 'a process of another PID namespace';
}

/**
 * Listens on all addresses for an instant, too short for a program that is started meanwhile to inherit it: the kernel says so in
 * 0.1 ms, and takes 9 ms to write its tables of sockets, for every port of every start.
 */
function isFree(port: number): boolean {
  const server = createServer().on('error', () => undefined);
  server.listen({ port, exclusive: true });
  const { listening: isListening } = server;
  server.close();
  return isListening;
}

function listenerInode(port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of linesOf(table).slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === listening && fields[1]?.endsWith(suffix)) return fields[9];
    }
  }
  return undefined;
}

/** None where the machine has no IPv6. */
function linesOf(table: string): string[] {
  try {
    return readFileSync(table, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** Processes come and go while we look, so one that cannot be read holds nothing. */
async function holdsSocket(pid: string, inode: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  const targets = await Promise.all(descriptors.map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
  return targets.includes(`socket:[${inode}]`);
}

async function commandLine(pid: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const words = text.split('\0').join(' ').trim();
  return words.length > 80 ? `${words.slice(0, 79)}…` : words || 'already gone';
}
