import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Unhealthy } from '../../../probes/probe.ts';
import { wrongStatus } from '../../../probes/kinds/http.ts';
import { httpClient } from '../../../probes/transport/httpClient.ts';
import { listAt, parseJson, textAt } from '../../../probes/transport/json.ts';
import { until } from '../../../probes/until.ts';
import type { Dependency, Task } from '../../engine/component.ts';
import type { SecretsEncryption } from '../encryption.ts';
import type { NodeFacts } from '../facts.ts';
import { adminAccess } from '../kubeconfig/clients.ts';

/** Time limit in ms: a Secret takes some ms. */
const timeoutMs = 600_000;

/** The names of so many Secrets are asked for at a time. */
const pageSize = 500;

/**
 * Rewrites all Secrets after the encryption was switched on or off, or has a new key. Ready when each is stored as the config
 * says. Undefined if there is nothing to do.
 */
export function secretsEncryption(
  facts: NodeFacts,
  encryption: SecretsEncryption,
  needs: readonly Dependency[],
): Task | undefined {
  if (!encryption.isInUse) return undefined;
  return {
    kind: 'task',
    name: 'secrets-encryption',
    needs,
    timeoutMs,
    // The node is of use, and the old key stays.
    restart: { onFailure: 'keepOthers' },
    run: async (signal, onAttemptFailed) => {
      const rewriteAll = async (): Promise<void> =>
        until(
          async (attempt) => rewriteSecrets(facts, attempt),
          {
            timeoutMs,
            attemptTimeoutMs: timeoutMs,
            onAttemptFailed,
          },
          signal,
        );
      // An upgrade that fails puts back what the old key has written.
      await encryption.settle(rewriteAll, existsSync(join(facts.paths.data, 'upgrade')));
    },
  };
}

/**
 * Makes the API server write each Secret again. A change of nothing is enough: it writes what it has read with another key than
 * the first (`stale` in GuaranteedUpdate, k8s.io/apiserver/pkg/storage/etcd3). What is in the Secrets is not read.
 */
async function rewriteSecrets(facts: NodeFacts, signal: AbortSignal): Promise<void> {
  const { server, ...tls } = adminAccess(facts);
  const secrets = '/api/v1/secrets';
  const list = httpClient(`${server}${secrets}`, {
    ...tls,
    headers: { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1' },
    maxBytes: 64 * 2 ** 20,
  });
  const patch = httpClient(`${server}${secrets}`, {
    ...tls,
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json', 'user-agent': 'k8s-single' },
    body: '{}',
    maxBytes: 4 * 2 ** 20,
  });
  let next = '';
  do {
    const query = `limit=${pageSize}&continue=${encodeURIComponent(next)}`;
    const response = await list(signal, `${secrets}?${query}`);
    // An expired page: the next attempt begins again.
    if (response.status !== 200) throw wrongStatus(response, `${server}${secrets}`, tls.cert);
    const page = parseJson(response.body);
    if (page === undefined) throw new Unhealthy('the list of Secrets is not JSON');
    for (const item of listAt(page, 'items')) {
      const [namespace, name] = [textAt(item, 'metadata', 'namespace'), textAt(item, 'metadata', 'name')];
      const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`;
      const { status, ...rest } = await patch(signal, path);
      // Removed or written meanwhile: by the same API server.
      if (![200, 404, 409].includes(status))
        throw wrongStatus({ status, ...rest }, `${server}${path}`, tls.cert);
    }
    next = textAt(page, 'metadata', 'continue');
  } while (next !== '');
}
