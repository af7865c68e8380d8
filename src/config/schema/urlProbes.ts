import { http } from '../../../probes/kinds/http.ts';
import type { HttpOptions } from '../../../probes/kinds/http.ts';
import { parseProbe } from '../../../probes/kinds/parseProbe.ts';
import type { Probe } from '../../../probes/probe.ts';

interface HttpKeys extends Omit<HttpOptions, 'socketPath'> {
  readonly url: string;
  readonly socket?: string;
}

interface EtcdKeys extends Pick<HttpOptions, 'ca' | 'cert' | 'key'> {
  readonly url: string;
}

/** The probe of the `http` key. @throws Error when the options contradict each other. */
export function httpProbe({ url, socket, ...options }: HttpKeys): Probe {
  return http(url, { ...options, ...(socket !== undefined && { socketPath: socket }) });
}

/** The probe of the `etcd` key. @throws Error when the options contradict each other. */
export function etcdProbe({ url, ...tls }: EtcdKeys): Probe {
  return parseProbe('etcd', url, tls);
}
