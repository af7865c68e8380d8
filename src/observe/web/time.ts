import { html } from './html.ts';
import type { Html } from './html.ts';

/** A time of day; the page's script puts it into the reader's own zone. `at` in ms since the epoch. */
export function time(at: number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(11, 19)} UTC</time>`;
}
