import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { bench, gated } from '../support/engine.ts';

describe('before spawning', () => {
  it('refuses a port that somebody holds, and says who', async () => {
    const t = await bench();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    try {
      const a = await gated(t.dir, 'a', { ports: [port] });
      await expect(t.up([a]).done).rejects.toMatchObject({
        code: 'preflight',
        message: expect.stringMatching(
          `a cannot have port ${port}: it is held by pid ${process.pid} \\(.*node`,
        ) as string,
      });
      expect(t.events.some((event) => event.type === 'starting')).toBe(false);
    } finally {
      server.close();
    }
  });

  it('refuses to start what seems to be running already', async () => {
    const t = await bench();
    const a = await gated(t.dir, 'a', { ready: async () => undefined });
    await expect(t.up([a]).done).rejects.toMatchObject({ code: 'preflight' });
  });

  it('does not wait for a probe that never answers', async () => {
    const t = await bench();
    const never = new Promise<void>(() => undefined);
    const a = await gated(t.dir, 'a', { ready: async () => never, readyLook: { lookTimeoutMs: 10 } });
    t.up([a]);
    await t.next('a', 'starting');
  });
});
