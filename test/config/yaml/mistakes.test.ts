import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../src/config/yaml/parseConfig.ts';

/** The error message for the text, as lines without the file name. */
function mistakes(text: string): string[] {
  try {
    parseConfig(text, 'c.yaml', { env: {} });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return error.message.split('\n').map((line) => line.replace(/^c\.yaml:/, ''));
  }
  return [];
}

test('all errors are reported at once, each with its position', () => {
  const text = `name: Big Name
network:
  podCidr: 10.0.0.0/16
kubernets: false
timeouts: { boot: 300 }
components:
  web:
    comand: [server, --port, 8080]
    ready: { http: 127.0.0.1 }
    needs: db
    live: { tcp: 80, period: 5 }
  db:
    command: server --port 5432
    restart: { maxFailures: many }
    stop: { signal: SIGNOPE }
    env: { FILE: "\${paths.kubeconfg}" }
`;
  expect(mistakes(text)).toEqual([
    '1:7: name: expected at most 40 lower-case letters, digits and dashes, not "Big Name"',
    '3:12: network.podCidr: 10.0.0.0/16 overlaps serviceCidr 10.0.0.0/24: choose separate ranges',
    '4:1: unknown key "kubernets"; did you mean "kubernetes"?',
    '5:19: timeouts.boot: "300" has no unit: write 300s or 300ms',
    '8:5: components.web: unknown key "comand"; did you mean "command"?',
    '9:20: components.web.ready.http: not a URL: 127.0.0.1',
    '10:12: components.web.needs: expected a list, not "db"',
    '11:30: components.web.live.period: "5" has no unit: write 5s or 5ms',
    '14:29: components.db.restart.maxFailures: expected a whole number from 0 to 1000000, not "many"',
    '15:21: components.db.stop.signal: expected a signal like TERM or SIGINT, not "SIGNOPE"',
    '16:18: unknown reference ${paths.kubeconfg}; did you mean "paths.kubeconfig"?',
  ]);
});

test.each([
  ['just a text', '1:1: expected a map of keys and values, not "just a text"'],
  ['- a\n- b', '1:1: expected a map of keys and values, not a list'],
  ['name: [', '1:8: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ['name: a\nname: b', '2:1: duplicate key "name"'],
  ['a: *b', '1:4: no anchor &b before this alias'],
  ['name: !mine x', '1:7: Unresolved tag: !mine'],
  ['name: a\n---\nname: b', '2:1: a config is one YAML document: remove the ---'],
  ['features: { kubeProxy: yes }', '1:24: features.kubeProxy: expected true or false, not "yes"'],
  ['network: { etcdPort: 0 }', '1:22: network.etcdPort: expected a whole number from 1 to 65535, not "0"'],
  ['network: { etcdPort: 6443 }', '1:22: network.etcdPort: 6443 is already the apiserverPort'],
  ['network: { dnsIp: 10.1.0.1 }', '1:19: network.dnsIp: 10.1.0.1 is outside serviceCidr 10.0.0.0/24'],
  [
    'network: { serviceCidr: 10.0.0.0/29 }',
    '1:25: network.serviceCidr: 10.0.0.0/29 has no tenth address for DNS: widen it or set dnsIp',
  ],
  [
    'network: { nodeSubnet: 172.30.7.1 }',
    '1:24: network.nodeSubnet: expected an IPv4 range like 10.0.0.0/24, not "172.30.7.1"',
  ],
  [
    'network: { nodeSubnet: 172.30.7.1/30 }',
    '1:24: network.nodeSubnet: 172.30.7.1/30 has host bits set: write 172.30.7.0/30',
  ],
  [
    'network: { nodeSubnet: 172.30.7.0/31 }',
    '1:24: network.nodeSubnet: expected a range from /16 to /30, like 172.30.7.0/30, not "172.30.7.0/31"',
  ],
  [
    'network: { nodeSubnet: 127.1.0.0/16 }',
    '1:24: network.nodeSubnet: 127.1.0.0/16 overlaps 127.0.0.0/8, which is reserved',
  ],
  [
    'network: { nodeSubnet: 10.244.0.0/16 }',
    '1:24: network.nodeSubnet: 10.244.0.0/16 overlaps podCidr 10.244.0.0/24: choose separate ranges',
  ],
  ...[
    ['nodeSubnet: 169.254.8.0/24', '169.254.8.0/24 overlaps 169.254.0.0/16, which is reserved'],
    ['nodeSubnet: 240.0.0.0/24', '240.0.0.0/24 overlaps 240.0.0.0/4, which is reserved'],
    [
      'podCidr: 10.244.0.0/31',
      'expected a range from /8 to /30: the CNI plugin needs a /30 at least, not "10.244.0.0/31"',
    ],
    [
      'podCidr: 0.0.0.0/0',
      'expected a range from /8 to /30: the CNI plugin needs a /30 at least, not "0.0.0.0/0"',
    ],
    ['podCidr: 127.7.0.0/24', '127.7.0.0/24 overlaps 127.0.0.0/8, which is reserved'],
    ['podCidr: 169.254.0.0/17', '169.254.0.0/17 overlaps 169.254.0.0/16, which is reserved'],
    ['podCidr: 0.1.0.0/24', '0.1.0.0/24 overlaps 0.0.0.0/8, which is reserved'],
    ['podCidr: 239.0.0.0/24', '239.0.0.0/24 overlaps 224.0.0.0/4, which is reserved'],
    ['podCidr: "fd00:10::/112"', 'expected an IPv4 range like 10.0.0.0/24, not "fd00:10::/112"'],
    [
      'podCidr: "10.244.0.0/24,fd00:10::/112"',
      'expected an IPv4 range like 10.0.0.0/24, not "10.244.0.0/24,fd00:10::/112"',
    ],
    [
      'serviceCidr: 11.0.0.0/8',
      'expected a range from /12 to /29: the API server accepts /12 to /29, not "11.0.0.0/8"',
    ],
    ['serviceCidr: 127.0.0.0/24', '127.0.0.0/24 overlaps 127.0.0.0/8, which is reserved'],
    ['serviceCidr: 224.0.0.0/24', '224.0.0.0/24 overlaps 224.0.0.0/4, which is reserved'],
    [
      'dnsIp: 10.0.0.0',
      '10.0.0.0 is the first or the last address of serviceCidr, which no Service can have',
    ],
    [
      'dnsIp: 10.0.0.255',
      '10.0.0.255 is the first or the last address of serviceCidr, which no Service can have',
    ],
    ['dnsIp: 10.0.0.1', "10.0.0.1 is the API server's own cluster IP"],
    ...['a..b', '.local', 'a.-b', 'Cluster.local', 'a_b'].map((domain) => [
      `clusterDomain: ${domain}`,
      `expected a domain name in lower case, of at most 230 characters and 63 between two dots, not "${domain}"`,
    ]),
    ['apiserverPort: 10250', '10250 is already the port of the kubelet'],
    ['etcdPort: 10249', '10249 is already the port of kube-proxy'],
    ['etcdPeerPort: 10257', '10257 is already the port of the controller manager'],
    ['server: "https://a_b:6443"', 'expected a URL like https://127.0.0.1:6443, not "https://a_b:6443"'],
    [
      'server: "https://127.0.0.1:0"',
      'expected a URL like https://127.0.0.1:6443, not "https://127.0.0.1:0"',
    ],
  ].map(([setting = '', message = '']): [string, string] => [
    `network: { ${setting} }`,
    `1:${12 + setting.indexOf(': ') + 2}: network.${setting.slice(0, setting.indexOf(':'))}: ${message}`,
  ]),
  [
    'network: { serviceCidr: 10.0.0.0/30, dnsIp: 10.0.0.2 }',
    '1:25: network.serviceCidr: expected a range from /12 to /29: the API server accepts /12 to /29, not "10.0.0.0/30"',
  ],
  [
    `network: { clusterDomain: ${'x'.repeat(64)}.local }`,
    '1:27: network.clusterDomain: expected a domain name in lower case, of at most 230 characters and 63 between two dots',
  ],
  ['dataDir: here', '1:10: dataDir: expected an absolute path, not "here"'],
  [
    'kubernetes: newest',
    '1:13: kubernetes: expected a version like 1.36 or 1.36.2, stable, latest, or false, not "newest"',
  ],
  ['mirror: files', '1:9: mirror: expected a URL like https://files.example.com/mirror, not "files"'],
  [
    'components: { "a b": { command: [a] } }',
    '1:15: components.a b: a name must be letters, digits, dots, dashes and underscores',
  ],
  [
    "components: { a: { command: x, env: { 'A=B': c } } }",
    '1:46: components.a.env.A=B: a name must be not empty and without =',
  ],
  [
    "components: { a: { command: x, env: { '': c } } }",
    '1:43: components.a.env.: a name must be not empty and without =',
  ],
  ['components: { a: server }', '1:18: components.a: expected a map of keys and values, not "server"'],
  [
    'components: { a: { command: a b } }',
    '1:29: components.a.command: expected a list of words; for a shell command, set `shell: true`, not "a b"',
  ],
  [
    'components: { a: { shell: true, command: [a] } }',
    '1:33: components.a.command: expected one text, because of `shell: true`',
  ],
  ['components: { a: { command: [] } }', '1:20: components.a.command: the command is empty'],
  [
    'components: { a: { task: true, live: { tcp: 1 } } }',
    '1:32: components.a.live: a task runs once: it cannot have "live"',
  ],
  [
    'components: { a: { ready: {} } }',
    '1:20: components.a.ready: expected one kind of probe (http, tcp, unix, exec, file, etcd, grpc, cri, all)',
  ],
  [
    'components: { a: { ready: { tcp: 1, unix: /s } } }',
    '1:20: components.a.ready: expected one kind of probe (http, tcp, unix, exec, file, etcd, grpc, cri, all), not tcp and unix',
  ],
  [
    'components: { a: { ready: { tpc: 1 } } }',
    '1:29: components.a.ready: unknown key "tpc"; did you mean "tcp"?',
  ],
  ['components: { a: { ready: { tcp: nine } } }', '1:34: components.a.ready.tcp: not a HOST:PORT: nine'],
  ['components: { a: { ready: { unix: s } } }', '1:35: components.a.ready.unix: not an absolute path: s'],
  [
    'components: { a: { ready: { all: [{ tcp: 1 }, {}] } } }',
    '1:47: components.a.ready.all.1: expected one kind of probe (http, tcp, unix, exec, file, etcd, grpc, cri)',
  ],
  [
    'components: { a: { ready: { http: { status: 200 } } } }',
    '1:29: components.a.ready.http.url: expected an http:// or https:// address, which is missing',
  ],
  [
    'components: { a: { needs: [{ whenLost: keep }] } }',
    '1:28: components.a.needs.0.on: expected the name of a component, which is missing',
  ],
  [
    'components: { a: { needs: [{ on: b, whenLost: cry }] } }',
    '1:47: components.a.needs.0.whenLost: expected "keep" or "restart" or "stop", not "cry"',
  ],
  [
    'components: { a: { user: "a b" } }',
    '1:26: components.a.user: expected USER or USER:GROUP, by name or number, not "a b"',
  ],
  [
    'components: { a: { env: [A=1] } }',
    '1:20: components.a.env: expected a map of names and values, not a list',
  ],
  ['components: { a: { env: { A: [1] } } }', '1:27: components.a.env.A: expected text, not a list'],
])('%s', (text, expected) => {
  expect(mistakes(text)).toEqual([expected]);
});

test('a reference in a flow list that does not parse has a hint', () => {
  expect(mistakes('components: { a: { command: [a, ${node.ip}] } }')[0]).toMatch(
    /inside \[ \] and \{ \}, put quotes around a text with \$\{\.\.\.\}/,
  );
});

test('at most 50 of a hundred errors are shown', () => {
  const text = Array.from({ length: 100 }, (_, index) => `key${index}: 1`).join('\n');
  const lines = mistakes(text);
  expect(lines).toHaveLength(51);
  expect(lines.at(-1)).toBe('… and 50 more');
});

describe('a bomb is refused quickly:', () => {
  const levels = (from: number, more: (name: string) => string): string =>
    Array.from(
      { length: 40 - from },
      (_, i) => `k${i + from}: &a${i + from} ${more(`*a${i + from - 1}`)}`,
    ).join('\n');
  const tooMany = /^\d+:\d+: the aliases expand to too many values$/;
  const tooDeep = /^\d+:\d+: nested more than 100 levels deep$/;

  test.each([
    ['aliases of aliases', `k0: &a0 [x]\n${levels(1, (name) => `[${name}, ${name}, ${name}]`)}`, tooMany],
    ['merges of merges', `k0: &a0 { x: y }\n${levels(1, (name) => `{ <<: [${name}, ${name}] }`)}`, tooMany],
    [
      'one map, merged a thousand times',
      `a: &a { ${Array.from({ length: 10_000 }, (_, i) => `k${i}: x`).join(', ')} }\nb: { <<: [${'*a,'.repeat(1000)}] }`,
      tooMany,
    ],
    [
      'one large anchor, often used',
      `a: &a [${'x,'.repeat(100_000)}]\nb: [${'*a,'.repeat(10_000)}]`,
      tooMany,
    ],
    ['brackets', `name: ${'['.repeat(500_000)}`, tooDeep],
    ['braces', `name: ${'{a: '.repeat(500_000)}`, tooDeep],
    ['dashes', '- '.repeat(500_000), tooDeep],
    ['question marks', '? '.repeat(500_000), tooDeep],
    ['indents', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'), tooDeep],
  ])('%s', (_what, text, expected) => {
    expect(mistakes(text)[0]).toMatch(expected);
  });
});

describe('a hostile text takes processor time in proportion to its length:', () => {
  const kib = 1024;
  const keys = Array.from({ length: 3000 }, (_, i) => `k${i}: x`).join(', ');

  test.each([
    ['a line of colons', ':'.repeat(64 * kib), /^1:1: The : indicator must be at most 1024 chars/],
    ['unterminated references', `name: "${'${'.repeat(32 * kib)}"`, /^1:7: unterminated reference/],
    ['merges of one map', `a: &a { ${keys} }\nb: { <<: [${'*a,'.repeat(10 * kib)}] }`, /too many values$/],
    ['closing brackets', ']'.repeat(64 * kib), /^1:1: Unexpected flow-seq-end token/],
    ['commas in a list', `name: [${','.repeat(64 * kib)}]`, /^1:9: Unexpected , in flow sequence/],
    ['equal keys', 'a: 1\n'.repeat(13 * kib), /^2:1: duplicate key "a"/],
    ['unknown keys', keys.replaceAll(', ', '\n'), /^1:1: unknown key "k0"/],
  ])('%s', (_what, text, expected) => {
    const times = Array.from({ length: 3 }, () => {
      const before = process.cpuUsage();
      expect(mistakes(text)[0]).toMatch(expected);
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    // A tenth of it on an idle machine; the first three took ten times as much in quadratic time.
    expect(Math.min(...times)).toBeLessThan(1500);
  });
});

test('what every object inherits is no variable', () => {
  expect(mistakes('name: "${constructor}"')).toEqual([
    expect.stringContaining('unknown reference ${constructor}'),
  ]);
  expect(mistakes('name: "${env:constructor}"')).toEqual([
    '1:7: the environment variable constructor is not set',
  ]);
});

test('at most 50 of ten thousand unknown keys are shown', () => {
  const lines = mistakes(Array.from({ length: 10_000 }, (_, i) => `k${i}: x`).join('\n'));
  expect(lines).toHaveLength(51);
  expect(lines.at(-1)).toBe('… and 9950 more');
});

test.each([
  ['tabs as indentation', 'network:\n\tetcdPort: 1', '2:1: Tabs are not allowed as indentation'],
  ['Windows line endings', 'name: a\r\nkubernetes: x\r\n', '2:13: kubernetes: expected a version like'],
  ['an unterminated text', 'name: "abc\n', '2:1: Missing closing "quote'],
])('%s', (_what, text, expected) => {
  expect(mistakes(text)).toEqual([expect.stringContaining(expected)]);
});

test('an anchor that contains itself is refused', () => {
  expect(mistakes('binDirs: &a [*a]')).toEqual(['1:14: the anchor &a contains itself']);
});

test.each([
  ['restart: { givenUp: keepOthers }', 'restart: "givenUp" is now called "onFailure"'],
  ['restart: { budget: 5 }', 'restart: "budget" is now called "maxFailures"'],
  ['live: { tcp: 80, interval: 5s }', 'live: "interval" is now called "period"'],
  ['live: { tcp: 80, misses: 3 }', 'live: "misses" is now called "failureThreshold"'],
  ['cwd: /srv', 'a: "cwd" is now called "workingDir"'],
])('the old key in %s is refused with its line and the new name', (line, message) => {
  const text = `components:\n  a:\n    command: [a]\n    ${line}\n`;
  const key = /"(\w+)" is now/.exec(message)?.[1] ?? '';
  const path = message.startsWith('a:') ? 'components.' : 'components.a.';
  expect(mistakes(text)).toEqual([`4:${5 + line.indexOf(key)}: ${path}${message}`]);
});
