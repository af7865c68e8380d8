import { promises } from 'node:dns';
import { errorCode } from '../errorCode.ts';
import { Unhealthy, type Probe } from '../probe.ts';

export interface DnsOptions {
  /** IP address and UDP port of the server. */
  readonly address: string;
  readonly port: number;
  /** The whole name, without search list. */
  readonly name: string;
  /** An A record that the answer must have. */
  readonly expected: string;
}

/** What a response code says, by the error code of c-ares. */
const reasons: Readonly<Record<string, string>> = {
  ESERVFAIL: 'has an internal failure (SERVFAIL)',
  ENOTFOUND: 'knows no such name (NXDOMAIN)',
  ENODATA: 'has no address for it (NODATA)',
  EREFUSED: 'refuses it (REFUSED)',
  ECONNREFUSED: 'does not listen',
  ETIMEOUT: 'does not answer',
};

/** The attempt has a time limit of its own; this one only ends the work behind it, in ms. */
const giveUpMs = 10_000;

/** Passes when the DNS server answers a question for the A records of a name with the expected address. */
export function dns({ address, port, name, expected }: DnsOptions): Probe {
  const server = `${address}:${port}`;
  return async (signal) => {
    signal.throwIfAborted();
    // The system's resolver would ask its own servers, and /etc/hosts.
    const resolver = new promises.Resolver({ timeout: giveUpMs, tries: 1 });
    resolver.setServers([server]);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const found = await resolver.resolve4(name);
      if (found.includes(expected)) return;
      throw new Unhealthy(`${server} resolves ${name} to ${found.join(', ')}, not to ${expected}`);
    } catch (error) {
      if (error instanceof Unhealthy) throw error;
      signal.throwIfAborted();
      const why = reasons[errorCode(error) ?? ''] ?? String(error);
      throw new Unhealthy(`asked for ${name}, the DNS server ${server} ${why}`, { cause: error });
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}
