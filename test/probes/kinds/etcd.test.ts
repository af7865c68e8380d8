import { describe, expect, test } from 'vitest';
import { etcd } from '../../../probes/kinds/etcd.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
import { answering, closedPort, serve } from '../../fixtures/probes/servers.ts';

describe('the response of etcd', () => {
  // As 3.4 and 3.5 send it; 3.4 gives no reason.
  test.each(['{"health":"true"}', '{"health":"true","reason":""}', '{"health":true}'])(
    '%s passes',
    async (body) => {
      const { url } = await answering(200, body);
      await pass(etcd(url));
      await pass(etcd(`${url}/`));
    },
  );

  test.each([
    ['{"health":"false","reason":"ALARM NOSPACE"}', 'etcd is not healthy: ALARM NOSPACE'],
    ['{"health":"false"}', 'etcd is not healthy: no leader, no quorum or an alarm; its log says which'],
    [
      '{"health":"false","reason":""}',
      'etcd is not healthy: no leader, no quorum or an alarm; its log says which',
    ],
  ])('%s fails', async (body, expected) => {
    const { url } = await answering(503, body);
    expect(await reason(etcd(url))).toBe(expected);
  });

  test.each(['<html>', 'null', '[]', '{}', ''])(
    'the status is the reason for any other response: %j',
    async (body) => {
      const { url } = await answering(200, body);
      expect(await reason(etcd(url))).toContain(`HTTP 200 OK from ${url}/health`);
    },
  );
});

test('liveness uses the query of kubeadm', async () => {
  const requested: (string | undefined)[] = [];
  const { url } = await serve((request, response) => {
    requested.push(request.url);
    response.end('{"health":"true"}');
  });
  await pass(etcd(url));
  await pass(etcd(url, { live: true }));
  await pass(etcd(url, { withoutSpace: true }));
  const space = '/health?exclude=NOSPACE';
  expect(requested).toEqual(['/health', `${space}&serializable=true`, space]);
});

test('nothing listens', async () => {
  const port = await closedPort();
  expect(await reason(etcd(`http://127.0.0.1:${port}`))).toBe(`connection refused on 127.0.0.1:${port}`);
});
