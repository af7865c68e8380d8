import { expect, test } from 'vitest';
import { inNamespaces } from '../support/namespaces.ts';

const setUp =
  'ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; ip addr add 169.254.7.1/16 dev v0';

test('the address of a machine is none of the link, which the kubelet refuses', async () => {
  const own = await inNamespaces(setUp, `return (await use('host/ownAddress.js')).ownAddress();`);
  expect(own).toMatchObject({ code: 'preflight' });
});

test('an address that the machine has lost is named, with the one that it has instead', async () => {
  const reasons = await inNamespaces(
    `${setUp}; ip addr add 198.18.0.2/24 dev v1`,
    `const { keepsAddress } = await use('host/ownAddress.js');
     const attempt = () => keepsAddress('198.18.0.2', 'run down')().then(() => 'kept', (error) => error.message);
     const reasons = [await attempt()];
     sh('ip link set v0 down');
     reasons.push(await attempt());
     sh('ip link set v0 up; ip addr add 198.19.0.21/24 dev v1; ip addr del 198.18.0.2/24 dev v1');
     reasons.push(await attempt());
     sh('ip addr flush dev v1');
     reasons.push(await attempt());
     return reasons;`,
  );
  const lost = "this machine has lost the node's address 198.18.0.2, and";
  expect(reasons).toEqual([
    'kept',
    'kept',
    expect.stringMatching(new RegExp(`^${lost} has 198\\.19\\.0\\.21 now: run down$`)),
    `${lost} has no other: run down`,
  ]);
});
