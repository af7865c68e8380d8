import { describe, expect, it } from 'vitest';
import { explainPull, fitsMachine, pullNotes } from '../../../src/kubernetes/images/pullFailure.ts';

// The causes that test/kubernetes/images/registries.test.ts has no registry for, as containerd 1.6 and 2 word them.

const image = 'r.example/app:1';
const head = `failed to pull and unpack image "${image}": failed to resolve reference "${image}": `;
const ask = `${head}failed to do request: Head "https://r.example/v2/app/manifests/1": `;

describe('explainPull', () => {
  it.each([
    [
      `${ask}dial tcp 203.0.113.7:443: connect: no route to host`,
      'the node does not reach r.example: it has no egress',
    ],
    [
      `${ask}dial tcp: lookup r.example on 172.30.0.2:53: read udp 172.30.0.2:4711->172.30.0.2:53: read: connection refused`,
      'the node does not reach r.example: it has no egress',
    ],
    [`${ask}dial tcp: lookup r.example on 192.0.0.3:53: no such host`, 'the name r.example does not resolve'],
    [`${ask}dial tcp: lookup r.example: no such host`, 'the name r.example does not resolve'],
    [`${ask}dial tcp 203.0.113.7:443: i/o timeout`, 'r.example does not answer: i/o timeout'],
    [
      `${ask}proxyconnect tcp: dial tcp 127.0.0.1:3128: connect: connection refused`,
      'the proxy does not answer: dial tcp 127.0.0.1:3128: connect: connection refused',
    ],
    [
      `${ask}proxyconnect tcp: dial tcp 203.0.113.9:3128: connect: network is unreachable`,
      'the node does not reach r.example: it has no egress',
    ],
    [`${ask}http: server gave HTTP response to HTTPS client`, 'r.example speaks HTTP without TLS'],
    [
      `${ask}tls: failed to verify certificate: x509: certificate is valid for a.example, not r.example`,
      'the certificate of r.example does not fit: certificate is valid for a.example, not r.example',
    ],
    [`${ask}remote error: tls: bad certificate`, 'r.example demands another client certificate'],
    [
      `${head}pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`,
      'r.example refuses the pull: r.example/app:1 needs a login, another one, or does not exist',
    ],
    [
      'failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/library/app/manifests/sha256:1: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit.',
      'registry-1.docker.io allows no more pulls for now: its rate limit (429)',
    ],
    [
      `${head}unexpected status from HEAD request to https://r.example/v2/app/manifests/1: 503 Service Unavailable`,
      'r.example fails: 503 Service Unavailable',
    ],
    [`failed to extract layer sha256:1: write /x: no space left on device: unknown`, 'the disk is full'],
    [`${head}something new`, 'something new'],
    ['\u001B[31msomething else', '[31msomething else'],
  ])('%s', (error, reason) => {
    expect(explainPull(image, error).reason).toBe(reason);
    // As the kubelet quotes it.
    const quoted = `Failed to pull image "${image}": rpc error: code = Unknown desc = ${error}`;
    expect(explainPull(image, quoted).reason).toBe(reason);
  });

  it('names docker.io as the config does', () => {
    const error = `unexpected status from HEAD request to https://registry-1.docker.io/v2/library/app/manifests/1: 401 Unauthorized`;
    expect(explainPull('docker.io/library/app:1', error).remedy).toContain(
      'registries."docker.io".credentials',
    );
  });

  it('limits the length', () => {
    expect(explainPull(image, 'x'.repeat(10_000)).reason).toHaveLength(500);
  });
});

it('fitsMachine takes any variant of this architecture', () => {
  const own = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  expect(fitsMachine([own])).toBe(true);
  expect(fitsMachine(['linux/s390x', `${own}/v8`])).toBe(true);
  expect(fitsMachine([`${own}be`, 'windows/amd64'])).toBe(false);
});

describe('pullNotes', () => {
  const now = Date.parse('2026-11-28T14:00:00Z');
  const at = (time: string, level: string, text: string): string =>
    `time="2026-11-28T${time}.123456789Z" level=${level} msg="PullImage \\"${text}`;
  const failed = (time: string, name: string): string =>
    at(
      time,
      'error',
      `${name}\\" failed" error="rpc error: code = NotFound desc = failed to pull and unpack image \\"${name}\\": failed to resolve reference \\"${name}\\": ${name}: not found"`,
    );

  it('has a line for each image whose last pull has failed in the last minutes', () => {
    const lines = [
      failed('13:50:00', 'r.example/old:1'),
      failed('13:58:00', 'r.example/again:1'),
      failed('13:58:01', 'r.example/app:1'),
      failed('13:58:30', 'r.example/app:1'),
      at('13:59:00', 'info', 'r.example/again:1\\" returns image reference \\"sha256:1\\""'),
      at('13:59:01', 'info', 'r.example/next:1\\""'),
    ];
    expect(pullNotes(lines, now)).toEqual([
      'images: r.example/app:1 cannot be pulled: there is no image r.example/app:1; check its name and tag',
    ]);
  });

  it('counts more than a few', () => {
    const notes = pullNotes(
      Array.from({ length: 9 }, (_, index) => failed('13:59:00', `r.example/app:${index}`)),
      now,
    );
    expect(notes).toHaveLength(6);
    expect(notes[5]).toBe('images: 4 more cannot be pulled');
  });
});
