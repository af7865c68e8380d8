import { textAt } from '../../../probes/transport/json.ts';
import { Unhealthy } from '../../../probes/probe.ts';
import { ApiError } from '../api.ts';
import { PermanentFailure, type Check } from '../check.ts';

const name = 'rbac';

export const rbac: Check = {
  name,
  summary: 'a ServiceAccount may do what its Role allows, and nothing else',
  needs: [],
  deadlineMs: 30_000,
  run: async ({ api, apiAs, namespacePath, namespace, signal, until }) => {
    const metadata = { name };
    await api.create(
      `${namespacePath}/serviceaccounts`,
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      signal,
    );
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
    const token = await api.create(`${namespacePath}/serviceaccounts/${name}/token`, request, signal);
    const account = apiAs(textAt(token, 'status', 'token'));
    const assertRefused = async (what: string, attemptSignal: AbortSignal): Promise<void> => {
      const error: unknown = await account.get(`${namespacePath}/${what}`, attemptSignal).then(
        () => new PermanentFailure(`an account without the right can read the ${what}: is RBAC enabled?`),
        (refusal: unknown) => refusal,
      );
      if (!(error instanceof ApiError && error.status === 403)) throw error;
    };
    await until('refusing an account without rights', async (attemptSignal) => {
      await assertRefused('configmaps', attemptSignal);
      await assertRefused('secrets', attemptSignal);
    });

    const rbacPath = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const apiVersion = 'rbac.authorization.k8s.io/v1';
    const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }];
    await api.create(`${rbacPath}/roles`, { apiVersion, kind: 'Role', metadata, rules }, signal);
    const binding = {
      apiVersion,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    };
    await api.create(`${rbacPath}/rolebindings`, binding, signal);
    await until('allowing what its Role allows', async (attemptSignal) => {
      const found = await account.get(`${namespacePath}/configmaps`, attemptSignal);
      if (textAt(found, 'kind') !== 'ConfigMapList')
        throw new Unhealthy('the response is not a list of ConfigMaps');
    });
    await until('refusing everything else', async (attemptSignal) => assertRefused('secrets', attemptSignal));
  },
};
