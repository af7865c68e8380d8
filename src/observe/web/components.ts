import type { Component } from '../../engine/component.ts';
import { describePhase, describeReason } from '../state/describe.ts';
import type { ComponentState, State } from '../state/state.ts';
import { html, time } from './html.ts';
import type { Html } from './html.ts';
import { icon } from './icon.ts';

/** One line per component. Those of processes open to show the tail of the log. */
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
        <div class="log" role="region" aria-label="Log of ${name}" tabindex="0">
          <noscript><a href="/v1/logs?component=${name}&amp;tail=200">last lines</a></noscript>
        </div>
      </details>`;
    })}
  </div>`;
}

function row(component: ComponentState | undefined): Html {
  if (component === undefined) return html``;
  // As of the last event: a countdown would have to be redrawn every second.
  const reason = describeReason(component, component.since);
  return html`${icon(component.phase)} <span class="name">${component.name}</span>
    <span class="state">${describePhase(component)}</span>
    <span class="since">since ${time(component.since)}</span> <span class="why">${reason}</span>`;
}
