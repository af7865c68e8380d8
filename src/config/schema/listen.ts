import { isIPv4 } from 'node:net';

/** A TCP port on an address of this machine alone. */
export interface Listen {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** What `127.0.0.1:9990`, `localhost:9990` or `[::1]:9990` means; undefined when it is none of these. */
export function parseListen(text: string): Listen | undefined {
  const [, name = '', digits = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const host = { localhost: '127.0.0.1', '[::1]': '::1' }[name] ?? name;
  const port = Number(digits);
  const loopback = host === '::1' || (isIPv4(host) && host.startsWith('127.'));
  return digits !== '' && loopback && port <= 65_535 ? { host, port } : undefined;
}
