import { apiObject, type Api } from './api.ts';
import { listAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';

export interface ServiceAccountOptions extends Api {
  readonly namespace?: string;
  readonly name?: string;
  /**
   * It must have a token Secret too: before 1.21 (BoundServiceAccountTokenVolume) no pod is admitted without one.
   * From 1.24 on it never gets one.
   */
  readonly token?: boolean;
}

/** The ServiceAccount exists, by default `default` in `default`: without it no pod is admitted to the namespace. */
export function serviceAccount(options: ServiceAccountOptions): Probe {
  const { namespace = 'default', name = 'default', token = false, ...api } = options;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`;
  const shown = `ServiceAccount ${namespace}/${name}`;
  const get = apiObject(api, path, `${shown} does not exist yet: kube-controller-manager creates it`);
  return async (signal) => {
    const found = await get(signal);
    if (token && listAt(found, 'secrets').length === 0) throw new Unhealthy(`${shown} has no token yet`);
  };
}
