import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import type { Component, Event } from '../../../src/engine/component.ts';
import { pageDocument } from '../../../src/observe/web/document.ts';
import { graphOf, nameLines } from '../../../src/observe/web/graph.ts';
import { html } from '../../../src/observe/web/html.ts';
import { replay } from '../../../src/observe/state/state.ts';
import { at, begin, crashLoop, goodBoot, stages } from '../boots.ts';

const never = async (): Promise<void> => undefined;
const components = stages.map((stage): Component =>
  stage.name === 'pki' || stage.name === 'node'
    ? { kind: 'task', run: never, ...stage }
    : { kind: 'service', command: { file: 'true', args: [] }, ready: never, ...stage },
);
const graph = graphOf(components);
const names = stages.map(({ name }) => name);

function page(events: readonly Event[]): string {
  return pageDocument({
    name: 'default',
    components,
    graph,
    state: replay(names, events),
    events,
    now: begin,
  });
}

describe('the page', () => {
  it('describes every component in words, in the graph and in the list', () => {
    const ready = page(goodBoot);
    expect(ready).toContain('<title>default: ready</title>');
    expect(ready).toContain('aria-label="apiserver: ready in 3.2 s; needs etcd"');
    expect(ready).toContain('Ready in 5.0 s.');
    const failed = page(crashLoop.slice(0, -7));
    expect(failed).toContain('<title>default: failed: apiserver</title>');
    expect(failed).toContain('aria-label="node: waiting; needs apiserver, kubelet"');
    expect(failed).toMatch(
      /<li class="error">.*apiserver.*given up: exited with code 1: bad flag: --x<\/li>/,
    );
  });

  it('lists the events from the newest to the oldest', () => {
    const events = [
      ...page(goodBoot).matchAll(/<li class="info">.*?<span class="name">(.+?)<\/span> (.+)<\/li>/g),
    ];
    expect(events[0]?.slice(1)).toEqual(['node', 'ready in 1.0 s']);
    expect(events.at(-1)?.slice(1)).toEqual(['pki', 'starting']);
  });

  it('has a log to open for each process, and none for a task', () => {
    const logs = [...page(goodBoot).matchAll(/data-log="(.+?)"/g)].map((match) => match[1]);
    expect(logs).toEqual(['etcd', 'apiserver', 'kubelet']);
  });

  it('has unique ids, and a target for each link', () => {
    const text = page(goodBoot);
    const ids = [...text.matchAll(/ id="(.+?)"/g)].map((match) => match[1]);
    expect(ids).toEqual([...new Set(ids)]);
    const targets = [...text.matchAll(/ href="#(.+?)"/g)].map((match) => match[1]);
    expect(targets).toHaveLength(2 * stages.length);
    expect(ids).toEqual(expect.arrayContaining(targets));
  });

  it('escapes foreign text, and has nothing inline that a strict policy refuses', () => {
    const evil = '"><script>alert(1)</script><img onerror=alert(1)>';
    const text = page([
      at(0, 'etcd', { type: 'starting', attempt: 1, pid: 1 }),
      at(1, 'etcd', { type: 'probing', reason: evil }),
      at(2, 'etcd', { type: 'exited', reason: evil, lastLines: [evil] }),
    ]);
    expect(text).toContain('&quot;&gt;&lt;script&gt;alert(1)');
    expect(text).not.toContain('<script>');
    expect(text).not.toContain('<img');
    expect(text).not.toMatch(/<style| style=|<[^>]* on\w+=/);
  });

  it('is well-formed after any events', async () => {
    for (const events of [[], goodBoot, crashLoop]) {
      const xml = page(events)
        .replace('<!doctype html>', '')
        .replaceAll(/<(meta|link)( [^>]*?) ?\/?>/g, '<$1$2/>');
      await execa('python3', ['-c', 'import sys, xml.dom.minidom as x; x.parse(sys.stdin.buffer)'], {
        input: xml,
      });
    }
  });
});

describe('markup', () => {
  it('escapes values, but not markup', () => {
    const inner = html`<b>${'<&">'}</b>`;
    expect(html`<p title="${'"'}">${inner}${[inner, inner]}${1}</p>`.text).toBe(
      '<p title="&quot;"><b>&lt;&amp;&quot;&gt;</b><b>&lt;&amp;&quot;&gt;</b>\n<b>&lt;&amp;&quot;&gt;</b>1</p>',
    );
  });
});

describe('a name in a box', () => {
  it.each([
    ['etcd', ['etcd']],
    ['controller-manager', ['controller-', 'manager']],
    ['default-account', ['default-', 'account']],
    ['certificatesandkeys', ['certificate…']],
    ['a-b-c-d-e-f-g-h-i-j-k-l-m', ['a-b-c-d-e-f-', 'g-h-i-j-k-l…']],
  ])('%s is %j', (name, lines) => {
    expect(nameLines(name, 12, 2)).toEqual(lines);
  });
});
