import type { Component } from '../../engine/component.ts';
import type { ComponentState, State } from '../state/state.ts';
import { html } from './html.ts';
import type { Html } from './html.ts';
import { icon } from './icon.ts';
import { stateText } from './stateText.ts';
import { time } from './time.ts';

/** A line for each component. One that is a process can be opened to see the tail of its log. */
export function componentList(components: readonly Component[], state: State): Html {
  return html`<div class="components">
    ${components.map(({ kind, name }) => {
      const line = row(state.get(name));
      if (kind === 'task')
        return html`<div class="component" id="c-${name}" tabindex="-1" data-live="row-${name}">
          ${line}
        </div>`;
      return html`<details class="component" id="c-${name}" data-log="${name}">
        <summary data-live="row-${name}">${line}</summary>
        <div class="log" role="region" aria-label="The log of ${name}" tabindex="0">
          <noscript><a href="/v1/logs?component=${name}&amp;tail=200">its last lines</a></noscript>
        </div>
      </details>`;
    })}
  </div>`;
}

function row(component: ComponentState | undefined): Html {
  if (component === undefined) return html``;
  const { text, why } = stateText(component);
  return html`${icon(component.is)} <span class="name">${component.name}</span>
    <span class="state">${text}</span> <span class="since">since ${time(component.since)}</span>
    <span class="why">${why}</span>`;
}
