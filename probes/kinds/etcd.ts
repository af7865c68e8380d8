import { httpClient, type Tls } from '../transport/httpClient.ts';
import { wrongStatus } from './http.ts';
import { at, parseJson, textAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';

export interface EtcdOptions extends Tls {
  /**
   * Ask only for what a restart can mend: reads served locally, a full quota (NOSPACE) forgiven. The query of
   * kubeadm's own liveness probe of etcd; versions that do not know it ignore it.
   */
  readonly live?: boolean;
}

/**
 * etcd says it is healthy: it has a leader, commits, and no alarm is raised. `url` is a client or metrics URL without
 * a path. Asks `/health`, which every version has (`/readyz` came with 3.4.29 and 3.5.11).
 */
export function etcd(url: string, { live = false, ...tls }: EtcdOptions = {}): Probe {
  const health = `${url.replace(/\/+$/, '')}/health${live ? '?exclude=NOSPACE&serializable=true' : ''}`;
  const ask = httpClient(health, tls);
  return async (signal) => {
    const answer = await ask(signal);
    const state = parseJson(answer.body);
    const healthy = at(state, 'health');
    if (healthy === undefined) throw wrongStatus(answer, health, tls.cert);
    // etcd 3 says "true", a string.
    if (healthy === 'true' || healthy === true) return;
    const why = textAt(state, 'reason') || 'no leader, no quorum or an alarm; its log says which';
    throw new Unhealthy(`etcd is not healthy: ${why}`);
  };
}
