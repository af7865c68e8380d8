import { readFile } from 'node:fs/promises';
import type { Component, Event } from '../../engine/component.ts';
import type { Page, Pages } from '../../control/port.ts';
import { packageFile } from '../../lib/paths.ts';
import type { State } from '../state/state.ts';
import { pageDocument } from './document.ts';
import { graphOf } from './graph.ts';
import { favicon } from './icon.ts';
import { style } from './style.ts';

/** The data of the page, read on each request. */
export interface PageSource {
  readonly name: string;
  readonly components: readonly Component[];
  readonly state: () => State;
  readonly events: () => readonly Event[];
}

/** A script bundled for the browser by rolldown.config.js. */
function script(name: string): () => Promise<Page> {
  const file = packageFile(`dist/bundle/browser/${name}.js`);
  return async () => ({ type: 'text/javascript; charset=utf-8', body: await readFile(file, 'utf8') });
}

/** The page and the files it loads. */
export function pagesOf({ name, components, state, events }: PageSource): Pages {
  const graph = graphOf(components);
  const page = (): string =>
    pageDocument({ name, components, graph, state: state(), events: events(), now: Date.now() });
  return {
    '/': () => ({ type: 'text/html; charset=utf-8', body: page() }),
    '/style.css': () => ({ type: 'text/css; charset=utf-8', body: style }),
    '/live.js': script('live'),
    '/logs.js': script('logs'),
    '/icon.svg': () => ({ type: 'image/svg+xml', body: favicon }),
  };
}
