import type { Socket } from 'node:net';

/** A message in a TCP stream: its length in two bytes, then itself (RFC 1035, 4.2.2). */
export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** Calls `receive` with each message that arrives. */
export function readFrames(socket: Socket, receive: (message: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 2) {
      const end = 2 + rest.readUInt16BE(0);
      if (rest.length < end) return;
      receive(rest.subarray(2, end));
      rest = rest.subarray(end);
    }
  });
}
