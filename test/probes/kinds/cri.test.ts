import { describe, expect, test } from 'vitest';
import { cri, criImages } from '../../../probes/kinds/cri.ts';
import { field, grpcServer } from '../../fixtures/probes/grpcServer.ts';
import { pass, reason } from '../../fixtures/probes/attempts.ts';
import { folder } from '../../fixtures/probes/servers.ts';

const method = (version: string) => `/runtime.${version}.RuntimeService/Status`;

/** A RuntimeCondition of runtime.v1, with its fields in the order of containerd. */
function condition(type: string, status: boolean, reasonText = '', message = ''): Buffer {
  const fields = [field(1, type)];
  if (status) fields.push(field(2, true));
  if (reasonText) fields.push(field(3, reasonText));
  if (message) fields.push(field(4, message));
  return field(1, Buffer.concat(fields));
}
const status = (...conditions: Buffer[]) => field(1, Buffer.concat(conditions));

const ready = condition('RuntimeReady', true);
const noNetwork = condition(
  'NetworkReady',
  false,
  'NetworkPluginNotReady',
  'Network plugin returns error: cni plugin not initialized',
);

async function runtime(version: string, answer: Buffer) {
  const path = `${folder()}/s`;
  return { path, ...(await grpcServer({ [method(version)]: () => answer }, path)) };
}

test('passes when RuntimeReady is true, wherever in the list', async () => {
  const { path } = await runtime('v1', status(noNetwork, ready));
  await pass(cri(path));
});

test('calls v1alpha2 where v1 is not implemented, and remembers it', async () => {
  const { path, called } = await runtime('v1alpha2', status(ready));
  const probe = cri(path);
  await pass(probe);
  await pass(probe);
  expect(called).toEqual([method('v1'), method('v1alpha2'), method('v1alpha2')]);
});

test('the network only on request; the reason is that of the runtime', async () => {
  const { path } = await runtime('v1', status(ready, noNetwork));
  expect(await reason(cri(path, { network: true }))).toBe(
    'NetworkReady is false: NetworkPluginNotReady: Network plugin returns error: cni plugin not initialized',
  );
  const whole = await runtime('v1', status(ready, condition('NetworkReady', true)));
  await pass(cri(whole.path, { network: true }));
});

test('RuntimeReady is false, or is not reported', async () => {
  const down = await runtime('v1', status(condition('RuntimeReady', false, 'Starting')));
  expect(await reason(cri(down.path))).toBe('RuntimeReady is false: Starting');
  const noReason = await runtime('v1', status(condition('RuntimeReady', false)));
  expect(await reason(cri(noReason.path))).toBe('RuntimeReady is false');
  const empty = await runtime('v1', Buffer.alloc(0));
  expect(await reason(cri(empty.path))).toBe('the runtime does not report RuntimeReady');
});

test('a socket without CRI', async () => {
  const path = `${folder()}/s`;
  await grpcServer({}, path);
  expect(await reason(cri(path))).toBe('no CRI on this socket: unknown service runtime.v1.RuntimeService');
});

test('an error of the runtime is quoted', async () => {
  const path = `${folder()}/s`;
  await grpcServer(
    { [method('v1')]: () => ({ status: 14, message: 'server is not initialized yet' }) },
    path,
  );
  expect(await reason(cri(path))).toBe('CRI answers: server is not initialized yet');
});

describe('criImages', () => {
  /** ListImagesResponse: images = 1; Image: id = 1, repo_tags = 2. */
  const images = (...all: string[][]): Buffer =>
    Buffer.concat(
      all.map((tags) => field(1, Buffer.concat([field(1, 'sha256:1'), ...tags.map((tag) => field(2, tag))]))),
    );
  const listImages = '/runtime.v1.ImageService/ListImages';

  async function store(answer: Buffer): Promise<string> {
    const path = `${folder()}/s`;
    await grpcServer({ [listImages]: () => answer }, path);
    return path;
  }

  test('passes when the runtime has all of them, and names those that it has not', async () => {
    const path = await store(images(['docker.io/library/a:1', 'localhost/b:1'], ['localhost/c:1']));
    await pass(criImages(path, async () => ['localhost/c:1', 'localhost/b:1']));
    const missing = criImages(path, async () => ['localhost/b:1', 'localhost/d:1', 'localhost/e:1']);
    expect(await reason(missing)).toBe('missing: localhost/d:1, localhost/e:1');
  });

  test('a list of more than 64 KiB', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => [`localhost/${'x'.repeat(80)}:${index}`]);
    await pass(criImages(await store(images(...many, ['localhost/b:1'])), async () => ['localhost/b:1']));
  });

  test('a runtime that does not answer says nothing of its images', async () => {
    await pass(criImages(`${folder()}/none`, async () => ['localhost/b:1']));
  });
});
