import { textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { ApiError } from '../api.ts';
import { PermanentFailure, type Check } from '../check.ts';

const name = 'rbac';

export const rbac: Check = {
  name,
  summary: 'a ServiceAccount may do what its Role allows and nothing else',
  needs: [],
  deadlineMs: 30_000,
  run: async ({ api, apiAs, home, namespace, signal, until }) => {
    const metadata = { name };
    await api.create(
      `${home}/serviceaccounts`,
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      signal,
    );
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const token = await api.create(`${home}/serviceaccounts/${name}/token`, request, signal);
    const account = apiAs(textAt(token, 'status', 'token'));
    const refused = async (what: string, lookSignal: AbortSignal): Promise<void> => {
      const error: unknown = await account.get(`${home}/${what}`, lookSignal).then(
        () => new PermanentFailure(`an account without that right may read the ${what}: is RBAC turned on?`),
        (refusal: unknown) => refusal,
      );
      if (!(error instanceof ApiError && error.status === 403)) throw error;
    };
    await until('refusing an account without rights', async (lookSignal) => {
      await refused('configmaps', lookSignal);
      await refused('secrets', lookSignal);
    });

    const rbacHome = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }];
    await api.create(`${rbacHome}/roles`, { apiVersion, kind: 'Role', metadata, rules }, signal);
    const binding = {
      apiVersion,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    };
    await api.create(`${rbacHome}/rolebindings`, binding, signal);
    await until('allowing what its Role allows', async (lookSignal) => {
      const found = await account.get(`${home}/configmaps`, lookSignal);
      if (textAt(found, 'kind') !== 'ConfigMapList')
        throw new Unhealthy('the answer is no list of ConfigMaps');
    });
    await until('refusing everything else', async (lookSignal) => refused('secrets', lookSignal));
  },
};
