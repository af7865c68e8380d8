import { apiObject, type Api } from './api.ts';
import { listAt } from '../transport/json.ts';
import { Unhealthy, type Probe } from '../probe.ts';

export interface ServiceAccountOptions extends Api {
  readonly namespace?: string;
  readonly name?: string;
  /**
   * Also require a token Secret: before 1.21 (BoundServiceAccountTokenVolume) no pod is admitted without one. From 1.24
   * on, none is created.
   */
  readonly token?: boolean;
}

/** Passes when the ServiceAccount exists, by default `default/default`. Without it, no pod is admitted to the namespace. */
export function serviceAccount(options: ServiceAccountOptions): Probe {
  const { namespace = 'default', name = 'default', token = false, ...api } = options;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`;
  const label = `ServiceAccount ${namespace}/${name}`;
  const get = apiObject(api, path, `${label} does not exist yet: kube-controller-manager creates it`);
  return async (signal) => {
    const object = await get(signal);
    if (token && listAt(object, 'secrets').length === 0) throw new Unhealthy(`${label} has no token yet`);
  };
}
