import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { listPids } from '../../../probes/proc.ts';

/** The state TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h). */
const tcpListen = '0A';

/**
 * The process that listens on a TCP port in this network namespace, on any address: `pid 123 (etcd --data-dir=...)`.
 * Undefined if the port is free. Makes no connection.
 */
export async function portHolder(port: number): Promise<string | undefined> {
  if (isFree(port)) return undefined;
  const inode = listenerInode(port);
  if (inode === undefined) return undefined;
  for (const pid of await listPids()) {
    if (await holdsSocket(pid, inode)) return `pid ${pid} (${await commandLine(pid)})`;
  }
  return 'a process of another PID namespace';
}

/**
 * Listens on all addresses for a moment, too short for a program that is being started to inherit the socket. Takes 0.1 ms,
 * where the kernel takes 9 ms to print its tables of sockets, for each port at each start.
 */
function isFree(port: number): boolean {
  const server = createServer().on('error', () => undefined);
  server.listen({ port, exclusive: true });
  const { listening } = server;
  server.close();
  return listening;
}

function listenerInode(port: number): string | undefined {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of linesOf(table).slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === tcpListen && fields[1]?.endsWith(suffix)) return fields[9];
    }
  }
  return undefined;
}

/** Empty if the file does not exist: tcp6 on a machine without IPv6. */
function linesOf(table: string): string[] {
  try {
    return readFileSync(table, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** False if the process has exited in the meantime. */
async function holdsSocket(pid: string, inode: string): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  const targets = await Promise.all(descriptors.map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
  return targets.includes(`socket:[${inode}]`);
}

/** At most 80 characters. */
async function commandLine(pid: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const words = text.split('\0').join(' ').trim();
  return words.length > 80 ? `${words.slice(0, 79)}…` : words || 'already exited';
}
