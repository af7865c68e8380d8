import { expect, test } from 'vitest';
import { inNamespaces } from '../support/namespaces.ts';
import { tempDir } from '../support/cli.ts';

/** A machine with the address 192.0.2.7, and what `ip route get` says of an address of a Service. */
async function routeTo(routes: readonly string[], during: string, setUp = 'true'): Promise<unknown> {
  const run = await tempDir('service-route');
  const link =
    'ip link set lo up; ip link add eth0 type veth peer name peer; ip link set peer up; ip link set eth0 up';
  return inNamespaces(
    [
      link,
      setUp,
      'ip address add 192.0.2.7/24 dev eth0',
      ...routes.map((route) => `ip route add ${route}`),
    ].join('; '),
    `const { addServiceRoute } = await use('host/serviceRoute.js');
     const { rollBack } = await use('host/undoJournal.js');
     const route = (address) => sh('ip route get ' + address + ' 2>&1 || true').split('\\n')[0].replace(/ (uid|metric) .*/, '');
     const before = sh('ip route');
     const add = async () => addServiceRoute('ip', '${run}', '10.0.0.0/24', '192.0.2.7');
     const undo = async () => { await rollBack('${run}'); return sh('ip route') === before; };
     ${during}`,
  );
}

const ownRoute = '10.0.0.99 dev lo src 192.0.2.7';

test.each([
  ['no default route', []],
  ['a default route that refuses', ['unreachable default']],
  ['a default route', ['default via 192.0.2.1']],
  ['a default route in two halves, as of a VPN', ['0.0.0.0/1 via 192.0.2.1', '128.0.0.0/1 via 192.0.2.1']],
])('with %s, packets for Services end at lo, until the change is undone', async (_what, routes) => {
  const during = `await add(); return [route('10.0.0.99'), await undo()];`;
  expect(await routeTo(routes, during)).toEqual([ownRoute, true]);
});

test.each(['10.0.0.0/24 dev eth0', '10.0.0.0/8 via 192.0.2.1'])(
  'a network of the machine keeps its addresses: %s',
  async (network) => {
    const during = `await add(); return [route('10.0.0.99'), await undo()];`;
    expect(await routeTo([network], during)).toEqual([expect.stringContaining(' dev eth0 '), true]);
  },
);

test('a network that the machine joins later wins', async () => {
  const during = `await add(); sh('ip route add 10.0.0.0/24 dev eth0 metric 600'); return route('10.0.0.99');`;
  expect(await routeTo([], during)).toBe('10.0.0.99 dev eth0 src 192.0.2.7');
});

test('the route of a killed node, removed meanwhile with the address, does not stop the clean-up', async () => {
  const during = `await add(); sh('ip address del 192.0.2.7/24 dev eth0'); return undo().then(() => route('10.0.0.99'));`;
  expect(await routeTo([], during)).toBe('RTNETLINK answers: Network is unreachable');
});

test.each([
  ['ok', ['default via 192.0.2.1', '0.0.0.0/1 via 192.0.2.1', 'unreachable 10.0.0.0/8'], / are free$/],
  ['ok', ['10.0.0.0/24 dev lo', '10.244.0.0/24 dev cni0'], / are free$/],
  [
    'note',
    ['10.0.0.0/16 via 192.0.2.1'],
    /^network.serviceCidr 10.0.0.0\/24 overlaps the route 10.0.0.0\/16 dev eth0: /,
  ],
  [
    'note',
    ['10.0.0.64/26 via 192.0.2.1'],
    /^network.serviceCidr .*: while the node is up, it hides other machines/,
  ],
  ['note', ['10.244.0.0/16 via 192.0.2.1'], /^network.podCidr 10.244.0.0\/24 overlaps .*: while the node/],
  ['problem', ['10.244.0.0/24 via 192.0.2.1'], /^network.podCidr .*: pods would not be reached$/],
  ['problem', ['10.244.0.128/25 via 192.0.2.1'], /the route 10.244.0.128\/25 dev eth0: pods would not/],
])('the ranges of pods and Services: %s with %j', async (level, routes, message) => {
  const bridge = 'ip link add cni0 type veth peer name other; ip link set other up; ip link set cni0 up';
  const during = `const { checkRanges } = await use('host/serviceRoute.js');
    return checkRanges({ podCidr: '10.244.0.0/24', serviceCidr: '10.0.0.0/24' }, 'cni0');`;
  expect(await routeTo(routes, during, bridge)).toMatchObject({
    level,
    subject: 'ranges',
    message: expect.stringMatching(message) as string,
  });
});
