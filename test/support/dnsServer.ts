import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Starts a DNS server for one name and its address, on a free UDP port. The caller closes it. */
export async function dnsServer(host: string, name: string, address: string) {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address: client }) =>
    socket.send(response(query, name, address), port, client),
  );
  socket.bind(0, host);
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => socket.close() };
}

/** The header, the question, and at most one A record (RFC 1035, section 4). */
function response(query: Buffer, name: string, address: string): Buffer {
  let end = 12;
  const labels: string[] = [];
  for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
    labels.push(query.toString('latin1', end + 1, end + 1 + length));
    end += 1 + length;
  }
  const question = query.subarray(12, end + 5);
  const isKnown = labels.join('.') === name;
  const header = Buffer.from(query.subarray(0, 12));
  // An authoritative response with code 0 or 3 (NXDOMAIN), one question, and one or no answer.
  header.writeUInt16BE(isKnown ? 0x84_00 : 0x84_03, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isKnown ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  if (!isKnown) return Buffer.concat([header, question]);
  // A pointer to the name in the question, at byte 12; type A, class IN, TTL 5 s, 4 bytes.
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([header, question, record]);
}
