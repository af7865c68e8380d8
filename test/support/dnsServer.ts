import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** A DNS server that knows one name and its address, on a free UDP port. The caller closes it. */
export async function dnsServer(host: string, name: string, address: string) {
  const socket = createSocket('udp4');
  socket.on('message', (query, { port, address: from }) =>
    socket.send(answer(query, name, address), port, from),
  );
  socket.bind(0, host);
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => socket.close() };
}

/** RFC 1035, section 4: the header, the question again, and at most one A record. */
function answer(query: Buffer, name: string, address: string): Buffer {
  let end = 12;
  const labels: string[] = [];
  for (let length = query[end] ?? 0; length > 0; length = query[end] ?? 0) {
    labels.push(query.toString('latin1', end + 1, end + 1 + length));
    end += 1 + length;
  }
  const asked = query.subarray(12, end + 5);
  const isKnown = labels.join('.') === name;
  const header = Buffer.from(query.subarray(0, 12));
  // A response, authoritative; NXDOMAIN is 3. One question, and as many answers as it has.
  header.writeUInt16BE(isKnown ? 0x84_00 : 0x84_03, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isKnown ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  if (!isKnown) return Buffer.concat([header, asked]);
  // The name is that of the question, at byte 12; type A, class IN, for 5 s, 4 bytes.
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...address.split('.').map(Number)]);
  return Buffer.concat([header, asked, record]);
}
