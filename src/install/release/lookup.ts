import { execFile } from 'node:child_process';
import { lookup } from 'node:dns';
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import { errorCode } from '../../../probes/errorCode.ts';

/**
 * Resolves names as getaddrinfo(3) does, in a process that ends with the signal. Node.js does that in a thread, and waits for it when
 * it exits: 10 s and more where no name server answers. Without getent(1), it is that thread.
 */
export function lookupUntil(signal: AbortSignal): LookupFunction {
  return (name, options, callback) => {
    const args = ['ahosts', name];
    execFile('getent', args, { signal, killSignal: 'SIGKILL' }, (error, stdout) => {
      const addresses = addressesIn(stdout, Number(options.family ?? 0));
      const [first] = addresses;
      if (errorCode(error) === 'ENOENT') lookup(name, options, callback);
      else if (first === undefined) callback(notFound(name, error), '');
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** Lines like `192.0.2.1 STREAM dl.k8s.io`, in the order in which to try them; each address has one for each type of socket. */
function addressesIn(text: string, family: number): LookupAddress[] {
  const found = new Set(text.split('\n').flatMap((line) => line.split(/\s+/)[0] || []));
  return [...found]
    .map((address) => ({ address, family: isIP(address) }))
    .filter((each) => each.family !== 0 && (family === 0 || each.family === family));
}

function notFound(name: string, cause: unknown): Error {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`, { cause }), { code: 'ENOTFOUND' });
}
