import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { testGraph, gated, task } from '../../support/engine.ts';

describe('the pre-start check', () => {
  it('refuses a port that is in use, and names the holder', async () => {
    const t = await testGraph();
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

  it('refuses to start a service that seems to be running already', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', { ready: async () => undefined });
    await expect(t.up([a]).done).rejects.toMatchObject({ code: 'preflight' });
  });

  it('does not wait for a probe that hangs', async () => {
    const t = await testGraph();
    const never = new Promise<void>(() => undefined);
    const a = await gated(t.dir, 'a', { ready: async () => never, readyTiming: { attemptTimeoutMs: 10 } });
    t.up([a]);
    await t.next('a', 'starting');
  });
});

describe('a command function that hangs', () => {
  const hangs = async (): Promise<never> => new Promise(() => undefined);

  it('ends at the time limit of the component', async () => {
    const t = await testGraph();
    const a = await gated(t.dir, 'a', { command: hangs, timeoutMs: 50, restart: { when: 'never' } });
    await expect(t.up([a]).done).rejects.toThrow('its command is not known after 0.05 s');
    const b = task('b', [], { command: hangs });
    await expect(t.up([{ ...b, timeoutMs: 50 }]).done).rejects.toThrow('its command is not known');
  });

  it('does not block the stop of the graph', async () => {
    const t = await testGraph();
    const emitter = new EventEmitter();
    const command = async (): Promise<never> => {
      emitter.emit('called');
      return hangs();
    };
    const a = await gated(t.dir, 'a', { command });
    const running = t.up([a]);
    await once(emitter, 'called');
    await running.down();
    expect(t.events.at(-1)).toMatchObject({ component: 'a', type: 'stopped' });
  });
});
