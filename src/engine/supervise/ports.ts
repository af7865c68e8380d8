import { readFileSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { listPids } from '../../../probes/proc.ts';

/** The state TCP_LISTEN in /proc/net/tcp (include/net/tcp_states.h). */
const tcpListen = '0A';

/** The state TCP_CLOSE, which UDP sockets have that are not connected. */
const unconnected = '07';

/** The flag __SO_ACCEPTCON in /proc/net/unix (include/uapi/linux/net.h). */
const unixListen = '00010000';

/** The process that has a port. */
interface PortHolder {
  /** Undefined in another PID namespace. */
  readonly pid?: number;
  /** `pid 123 (etcd --data-dir=...)` */
  readonly description: string;
}

/**
 * The process that listens on a TCP port in this network namespace, on any address. Undefined if the port is free. Makes no
 * connection.
 */
export async function findPortHolder(port: number): Promise<PortHolder | undefined> {
  if (isFree(port)) return undefined;
  return holderOf(listenerInode(port));
}

/** The process that has the socket with this inode. */
async function holderOf(inode: string | undefined): Promise<PortHolder | undefined> {
  if (inode === undefined) return undefined;
  const sockets = new Set([inode]);
  for (const pid of await listPids()) {
    if (!(await holdsSocket(pid, sockets))) continue;
    return { pid: Number(pid), description: `pid ${pid} (${await commandLine(pid)})` };
  }
  return { description: 'a process of another PID namespace' };
}

/** The description of {@link findPortHolder}. */
export async function portHolder(port: number): Promise<string | undefined> {
  return (await findPortHolder(port))?.description;
}

/**
 * The process that receives what comes for a port at one of these addresses: it listens there or on all addresses, by TCP, or
 * has a UDP socket. Undefined if there is none, and for other protocols.
 */
export async function boundHolder(
  protocol: string,
  port: number,
  addresses: readonly string[],
): Promise<string | undefined> {
  if (protocol !== 'tcp' && protocol !== 'udp') return undefined;
  const state = protocol === 'tcp' ? tcpListen : unconnected;
  const suffix = portSuffix(port);
  const row = [`/proc/net/${protocol}`, `/proc/net/${protocol}6`].flatMap(rowsOf).find((fields) => {
    const [, local = ''] = fields;
    if (fields[3] !== state || !local.endsWith(suffix)) return false;
    const ip = addressOf(local.slice(0, -suffix.length));
    return ip === '0.0.0.0' || ip === '::' || addresses.includes(ip);
  });
  return (await holderOf(row?.[9]))?.description;
}

/** The address of a row: 32-bit words in hexadecimal, with the bytes of a little-endian machine. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].toReversed());
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.every((byte) => byte === 0)) return '::';
  // An IPv4 address on an IPv6 socket.
  const isMapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 255 && bytes[11] === 255;
  if (isMapped) return bytes.slice(12).join('.');
  const words = Array.from({ length: 8 }, (_, at) =>
    Buffer.from(bytes)
      .readUInt16BE(at * 2)
      .toString(16),
  );
  // In the shortest form, like everybody writes it.
  return new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1);
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
  const suffix = portSuffix(port);
  return tcpListeners().find((fields) => fields[1]?.endsWith(suffix))?.[9];
}

/** How a port is written at the end of an address. */
function portSuffix(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The rows of all TCP sockets that listen: address in field 1, inode in field 9. */
function tcpListeners(): string[][] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(rowsOf).filter((fields) => fields[3] === tcpListen);
}

/** The inodes of all TCP and unix sockets in this network namespace that listen. */
export function listeningSockets(): Set<string> {
  const unix = rowsOf('/proc/net/unix').filter((fields) => fields[3] === unixListen);
  return new Set([...tcpListeners().map((fields) => fields[9]!), ...unix.map((fields) => fields[6]!)]);
}

/** The fields of each row. Empty if the file does not exist: tcp6 on a machine without IPv6. */
function rowsOf(table: string): string[][] {
  try {
    const [, ...lines] = readFileSync(table, 'utf8').split('\n');
    return lines.map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

/** Whether the process holds a socket with one of these inodes. False if it has exited in the meantime. */
export async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${pid}/fd`;
  const descriptors = await readdir(folder).catch(() => []);
  const targets = await Promise.all(descriptors.map((fd) => readlink(`${folder}/${fd}`).catch(() => '')));
  return targets.some((target) => inodes.has(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? ''));
}

/** The command line of a process, at most 80 characters. */
export async function commandLine(pid: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  const words = text.split('\0').join(' ').trim();
  return words.length > 80 ? `${words.slice(0, 79)}…` : words || 'already exited';
}
