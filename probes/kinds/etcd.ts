import { httpClient, type Tls } from '../transport/httpClient.ts';
import { wrongStatus } from './http.ts';
import { at, parseJson, textAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';

export interface EtcdOptions extends Tls {
  /**
   * Check only what a restart can fix: local reads suffice, and a full quota (NOSPACE) is ignored. The query of kubeadm's
   * liveness probe of etcd; versions that do not know it ignore it.
   */
  readonly live?: boolean;
  /** Ignore a full quota, but demand a leader that commits. Versions that do not know the query ignore it. */
  readonly withoutSpace?: boolean;
}

/**
 * Passes when etcd reports that it is healthy: it has a leader, commits, and no alarm is raised. `url` is a client or metrics
 * URL without a path. GETs `/health`, which every version has (`/readyz` came with 3.4.29 and 3.5.11).
 */
export function etcd(url: string, { live = false, withoutSpace = false, ...tls }: EtcdOptions = {}): Probe {
  const query = live ? '?exclude=NOSPACE&serializable=true' : withoutSpace ? '?exclude=NOSPACE' : '';
  const health = `${url.replace(/\/+$/, '')}/health${query}`;
  const get = httpClient(health, tls);
  return async (signal) => {
    const response = await get(signal);
    const state = parseJson(response.body);
    const healthy = at(state, 'health');
    if (healthy === undefined) throw wrongStatus(response, health, tls.cert);
    // etcd 3 sends "true", a string.
    if (healthy === 'true' || healthy === true) return;
    const why = textAt(state, 'reason') || 'no leader, no quorum or an alarm; its log says which';
    throw new Unhealthy(`etcd is not healthy: ${why}`);
  };
}
