import { EventEmitter } from 'node:events';
import type { Component, Event } from '../component.ts';
import type { ControlledNode } from '../control/node.ts';
import { apply, initialState } from '../report/state.ts';
import type { State } from '../report/state.ts';
import { summarize } from '../report/summary.ts';
import type { Running } from '../up.ts';

/** What is remembered of the past for those who ask later: a boot and a good deal of restarts. */
const longestHistory = 10_000;

/** Follows a graph's events and answers the control socket's questions about it. */
export class Controlled {
  readonly #name: string;
  readonly #components: readonly string[];
  readonly #events = new EventEmitter<{ event: [Event] }>().setMaxListeners(0);
  #history: Event[] = [];
  #state: State;

  constructor(name: string, components: readonly Component[]) {
    this.#name = name;
    this.#components = components.map((component) => component.name);
    this.#state = initialState(this.#components, Date.now());
  }

  take(event: Event): void {
    this.#state = apply(this.#state, event);
    this.#history.push(event);
    if (this.#history.length > longestHistory) this.#history = this.#history.slice(-longestHistory / 2);
    this.#events.emit('event', event);
  }

  get state(): State {
    return this.#state;
  }

  get history(): readonly Event[] {
    return this.#history;
  }

  node(running: Running, down: () => void): ControlledNode {
    return {
      name: this.#name,
      components: this.#components,
      status: async () => ({ components: [...this.#state.values()] }),
      isReady: () => summarize(this.#state).is === 'ready',
      notReady: () =>
        [...this.#state.values()]
          .filter(({ is }) => is !== 'ready')
          .map(({ name, is, reason }) =>
            reason === undefined ? `${name}: ${is}` : `${name}: ${is}: ${reason}`,
          ),
      history: () => this.#history,
      subscribe: (emit) => {
        this.#events.on('event', emit);
        return () => void this.#events.off('event', emit);
      },
      logs: async function* () {},
      metrics: async () => '',
      restart: async (component, options) => running.restart(component, options),
      stop: async (component) => running.stop(component),
      start: async (component) => running.start(component),
      down,
    };
  }
}
