import { beforeAll, expect, test } from 'vitest';
import { testBinaries } from '../support/installBinaries.ts';
import { inNamespaces } from '../support/namespaces.ts';

let save = '';
let restore = '';
beforeAll(async () => {
  const files = await testBinaries('iptables-save', 'iptables-restore');
  [save, restore] = [files['iptables-save'], files['iptables-restore']];
}, 120_000);

const mine = '-A POSTROUTING -s 192.0.2.0/24 -j MINE';

test('a chain has exactly the rules that it is to have, at its place, and others keep theirs', async () => {
  const result = await inNamespaces(
    ':',
    `const { keepNatChains } = await use('host/natChain.js');
     const { execFileSync } = await import('node:child_process');
     const programs = { save: '${save}', restore: '${restore}' };
     execFileSync(programs.restore, ['--noflush'], { input: '*nat\\n:MINE - [0:0]\\n${mine}\\nCOMMIT\\n' });
     const rules = () => execFileSync(programs.save, { encoding: 'utf8' }).split('\\n').filter((line) => line.startsWith('-A'));
     const keep = async (name, source, isFirst, ...rules) => keepNatChains(programs, [{ name, source, rules, isFirst }]);
     const seen = [];
     await keep('LAST', '10.244.0.0/24', false, '-d 10.244.0.0/24 -j RETURN', '! -d 224.0.0.0/4 -j MASQUERADE');
     await keep('FIRST', '10.244.0.0/24', true, '-d 10.244.1.0/24 -j ACCEPT');
     seen.push(rules());
     await keep('LAST', '10.244.2.0/24', false, '-d 10.244.2.0/24 -j RETURN');
     await keep('FIRST', '10.244.0.0/24', true);
     seen.push(rules());
     // Of two attempts at the same time.
     execFileSync(programs.restore, ['--noflush'], { input: '*nat\\n-I POSTROUTING -s 10.244.0.0/24 -j FIRST\\nCOMMIT\\n' });
     await keep('FIRST', '10.244.0.0/24', true);
     seen.push(rules().length);
     programs.restore = '/bin/false';
     await keep('FIRST', '10.244.0.0/24', true);
     await keep('FIRST', '10.244.0.0/24', true, '-d 10.244.3.0/24 -j ACCEPT').catch((error) => seen.push(error.message));
     return seen;`,
  );
  expect(result).toEqual([
    [
      '-A POSTROUTING -s 10.244.0.0/24 -j FIRST',
      mine,
      '-A POSTROUTING -s 10.244.0.0/24 -j LAST',
      '-A FIRST -d 10.244.1.0/24 -j ACCEPT',
      '-A LAST -d 10.244.0.0/24 -j RETURN',
      '-A LAST ! -d 224.0.0.0/4 -j MASQUERADE',
    ],
    [
      '-A POSTROUTING -s 10.244.0.0/24 -j FIRST',
      mine,
      '-A POSTROUTING -s 10.244.2.0/24 -j LAST',
      '-A LAST -d 10.244.2.0/24 -j RETURN',
    ],
    4,
    'the packet filter does not take the rules for pods: Command failed: /bin/false --wait --noflush\n',
  ]);
});
