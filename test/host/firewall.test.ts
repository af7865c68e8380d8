import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { blockedIn, parseIptables, parseNftables } from '../../src/host/firewall.ts';
import { testBinaries } from '../support/installBinaries.ts';
import { inNamespaces } from '../support/namespaces.ts';

type Packet = Parameters<typeof parseIptables>[1];

const pods = { iif: 'cni0', source: '10.244.0.2', port: 8080 };
const forward: Packet = { ...pods, hook: 'forward', oif: 'cni0', destination: '10.244.0.3' };
const input: Packet = { ...pods, hook: 'input', oif: '', destination: '192.0.2.7', port: 6443 };

/** What blocks the packet in a table `filter` with these rules. */
function iptables(packet: Packet, policy: string, ...rules: string[]) {
  const named = new Set(rules.flatMap((rule) => /^-A (\S+)/.exec(rule)?.[1] ?? []));
  const chains = [...named].filter((name) => name !== 'FORWARD' && name !== 'INPUT');
  const lines = ['FORWARD', 'INPUT'].map((name) => `:${name} ${policy} [0:0]`);
  const text = ['*filter', ...lines, ...chains.map((name) => `:${name} - [0:0]`), ...rules, 'COMMIT', ''];
  return blockedIn(parseIptables(text.join('\n'), packet));
}

describe('iptables', () => {
  test('a policy of DROP blocks, and says so', () => {
    expect(iptables(forward, 'DROP')).toEqual({ chain: 'FORWARD', isPolicy: true });
    expect(iptables(input, 'DROP')).toEqual({ chain: 'INPUT', isPolicy: true });
    expect(iptables(forward, 'ACCEPT')).toBeUndefined();
  });

  test.each([
    '-A FORWARD -i cni0 -j ACCEPT',
    '-A FORWARD -i cni+ -j ACCEPT',
    '-A FORWARD -s 10.244.0.0/16 -j ACCEPT',
    '-A FORWARD ! -i eth0 -m comment --comment "all -j DROP" -j ACCEPT',
    '-A FORWARD -d 10.0.0.0/8 -p tcp -m multiport --dports 80,8000:8100 -m conntrack --ctstate NEW -j ACCEPT',
    // Nobody can tell from here: no alarm.
    '-A FORWARD -m set --match-set pods src -j ACCEPT',
  ])('%s lets the pods through a policy of DROP', (rule) => {
    expect(iptables(forward, 'DROP', rule)).toBeUndefined();
  });

  test.each([
    '-A FORWARD -i docker0 -j ACCEPT',
    '-A FORWARD -s 10.245.0.0/16 -j ACCEPT',
    '-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A FORWARD ! -i cni0 -j ACCEPT',
    '-A FORWARD -p udp -j ACCEPT',
    '-A FORWARD -p tcp -m tcp --dport 443 -j ACCEPT',
    // kube-proxy's, for packets that it has marked.
    '-A FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT',
    '-A FORWARD -m limit --limit 3/min -j LOG --log-prefix "[BLOCK] "',
  ])('%s does not', (rule) => {
    expect(iptables(forward, 'DROP', rule)?.isPolicy).toBe(true);
  });

  test('chains are followed as the kernel does', () => {
    const rules = ['-A FORWARD -j ONE', '-A ONE -j TWO', '-A TWO -i cni0 -j RETURN', '-A ONE -j REJECT'];
    expect(iptables(forward, 'ACCEPT', ...rules)).toEqual({ chain: 'ONE', isPolicy: false });
    const goto = ['-A FORWARD -g ONE', '-A FORWARD -j ACCEPT', '-A ONE -i eth0 -j ACCEPT'];
    expect(iptables(forward, 'DROP', ...goto)).toEqual({ chain: 'FORWARD', isPolicy: true });
  });

  test("ufw's chains block until a rule for the bridge is added", () => {
    const ufw = [
      '-A INPUT -j ufw-before-input',
      '-A ufw-before-input -i lo -j ACCEPT',
      '-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A ufw-before-input -j ufw-not-local',
      '-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN',
      '-A ufw-not-local -j DROP',
      '-A ufw-before-input -j ufw-user-input',
      '-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT',
    ];
    expect(iptables(input, 'DROP', ...ufw)).toEqual({ chain: 'INPUT', isPolicy: true });
    expect(iptables(input, 'DROP', ...ufw, '-A ufw-user-input -i cni0 -j ACCEPT')).toBeUndefined();
  });
});

describe('nftables', () => {
  const chain = (hook: string, policy = 'accept') => ({
    chain: { family: 'inet', table: 'fw', name: hook, hook, policy, type: 'filter', prio: 0 },
  });
  const rule = (name: string, ...expr: object[]) => ({
    rule: { family: 'inet', table: 'fw', chain: name, expr },
  });
  const meta = (key: string, right: unknown) => ({ match: { op: '==', left: { meta: { key } }, right } });
  const states = {
    vmap: {
      key: { ct: { key: 'state' } },
      data: {
        set: [
          ['established', { accept: null }],
          ['invalid', { drop: null }],
        ],
      },
    },
  };

  function blocked(packet: Packet, ...nftables: object[]) {
    return parseNftables(JSON.stringify({ nftables }), packet)
      .map((table) => blockedIn(table))
      .find((found) => found !== undefined);
  }

  test('a policy of drop blocks, whatever the other hooks accept', () => {
    const base = [chain('forward', 'drop'), chain('input'), rule('input', { accept: null })];
    expect(blocked(forward, ...base)).toEqual({ chain: 'forward', isPolicy: true });
    expect(blocked(input, ...base)).toBeUndefined();
  });

  test.each([
    [meta('iifname', 'cni0')],
    [meta('iifname', { set: ['lo', 'cni*'] })],
    [
      {
        match: {
          op: '==',
          left: { payload: { protocol: 'ip', field: 'saddr' } },
          right: { prefix: { addr: '10.244.0.0', len: 16 } },
        },
      },
    ],
    [{ match: { op: '!=', left: { ct: { key: 'state' } }, right: 'invalid' } }],
    [meta('iifname', '@trusted')],
  ])('%j lets the pods through', (match) => {
    const rules = [
      rule('forward', states),
      rule('forward', match, { counter: { packets: 0 } }, { accept: null }),
    ];
    expect(blocked(forward, chain('forward', 'drop'), ...rules)).toBeUndefined();
  });

  test("firewalld's last rule rejects what no zone accepts", () => {
    const established = {
      match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] },
    };
    const dnat = { match: { op: 'in', left: { ct: { key: 'status' } }, right: 'dnat' } };
    const rules = [
      rule('forward', established, { accept: null }),
      rule('forward', dnat, { accept: null }),
      rule('forward', meta('iifname', 'lo'), { accept: null }),
      rule('forward', { reject: { type: 'icmpx', expr: 'admin-prohibited' } }),
    ];
    expect(blocked(forward, chain('forward'), ...rules)).toEqual({ chain: 'forward', isPolicy: false });
  });

  test('the tables of iptables are left to its own view', () => {
    const table = { family: 'ip', table: 'filter', name: 'FORWARD', hook: 'forward', policy: 'drop' };
    expect(blocked(forward, { chain: table })).toBeUndefined();
  });
});

test('the rules of this kernel are read: blocked, and open after the command of the remedy', async () => {
  const { iptables: program, 'iptables-save': save } = await testBinaries('iptables', 'iptables-save');
  const result = await inNamespaces(
    `'${program}' -P FORWARD DROP; '${program}' -P INPUT DROP`,
    `const { checkFirewall } = await use('host/firewall.js');
     const traffic = { bridge: 'cni0', podCidr: '10.244.0.0/24', ip: '192.0.2.7', port: 6443, iptablesSave: '${save}' };
     const results = [];
     for (let i = 0; i < 3; i++) {
       const { level, message, remedy } = await checkFirewall(traffic);
       results.push([level, message]);
       if (remedy) sh(remedy.replaceAll('iptables ', '${program} '));
     }
     return results;`,
  );
  expect(result).toEqual([
    [
      'problem',
      'the policy of chain FORWARD of iptables is drop: pods reach neither each other nor Services',
    ],
    ['note', 'the policy of chain INPUT of iptables is drop: pods do not reach the API server'],
    ['ok', 'lets the pods through'],
  ]);
});

test('legacy rules are read by the program beside, if the machine has none of its own', async () => {
  const { 'iptables-save': save } = await testBinaries('iptables-save');
  const legacy = join(dirname(await realpath(save)), 'iptables.legacy');
  const result = await inNamespaces(
    `'${legacy}' -P FORWARD DROP`,
    `const { checkFirewall } = await use('host/firewall.js');
     const traffic = { bridge: 'cni0', podCidr: '10.244.0.0/24', ip: '192.0.2.7', port: 6443, iptablesSave: '${save}' };
     return checkFirewall(traffic);`,
  );
  expect(result).toMatchObject({
    level: 'problem',
    message: expect.stringContaining('the policy of chain FORWARD of iptables') as string,
  });
});
