import { beforeAll, expect, test } from 'vitest';
import { testBinaries } from '../support/installBinaries.ts';
import { inNamespaces } from '../support/namespaces.ts';

let save = '';
let restore = '';
beforeAll(async () => {
  const files = await testBinaries('iptables-save', 'iptables-restore');
  [save, restore] = [files['iptables-save'], files['iptables-restore']];
}, 120_000);

/** Rules of the machine. */
const before = `*nat
:MINE - [0:0]
-A POSTROUTING -s 192.0.2.0/24 -m comment --comment "not for -j KUBE-SERVICES" -j MINE
-A MINE -j RETURN
COMMIT
`;

/** Rules of a node. */
const added = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-1 - [0:0]
:CNI-0123 - [0:0]
-A PREROUTING -m comment --comment "kubernetes \\"service\\" portals" -j KUBE-SERVICES
-A POSTROUTING -s 10.244.0.2/32 -j CNI-0123
-A KUBE-SERVICES -d 10.0.0.1/32 -j KUBE-SVC-1
-A KUBE-SVC-1 -j RETURN
COMMIT
*filter
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
COMMIT
`;

test("a node's chains are removed with the rules that jump to them, and other rules stay", async () => {
  const result = await inNamespaces(
    ':',
    `const { chainsOf, removeChains } = await use('host/packetFilter.js');
     const { execFileSync } = await import('node:child_process');
     const programs = { save: '${save}', restore: '${restore}' };
     const prefixes = ['KUBE-', 'CNI-'];
     const load = (input) => execFileSync(programs.restore, ['--noflush'], { input });
     const rules = () => execFileSync(programs.save, { encoding: 'utf8' }).split('\\n').filter((line) => line.startsWith('-A'));
     load(${JSON.stringify(before)});
     const rulesBefore = rules();
     load(${JSON.stringify(added)});
     const chains = await chainsOf(programs, prefixes);
     await removeChains({ ...programs, prefixes });
     return { chains: chains.sort(), left: await chainsOf(programs, prefixes), same: rules().join() === rulesBefore.join(), count: rules().length };`,
  );
  expect(result).toEqual({
    chains: ['CNI-0123', 'KUBE-FIREWALL', 'KUBE-SERVICES', 'KUBE-SVC-1'],
    left: [],
    same: true,
    count: 2,
  });
});
