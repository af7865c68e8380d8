import type { ComponentState, State } from '../state/state.ts';

/** What the whole node is doing now. */
export type Summary =
  | { readonly is: 'ready' }
  /** `blocking`: those whose needs are ready and who are not ready themselves; all others wait for them. */
  | { readonly is: 'starting'; readonly blocking: readonly string[] }
  | { readonly is: 'failed'; readonly failed: readonly string[] }
  | { readonly is: 'stopping'; readonly left: readonly string[] }
  | { readonly is: 'stopped' };

/** Pure. Failed as soon as one component is given up, ready only when all are. */
export function summarize(state: State): Summary {
  const all = [...state.values()];
  const names = (those: (component: ComponentState) => boolean): string[] =>
    all.filter(those).map(({ name }) => name);
  const failed = names(({ is }) => is === 'failed');
  if (failed.length > 0) return { is: 'failed', failed };
  if (all.every(({ is }) => is === 'ready')) return { is: 'ready' };
  const left = names(({ is }) => is !== 'stopped');
  if (left.length === 0) return { is: 'stopped' };
  if (all.some(({ is }) => is === 'stopping')) return { is: 'stopping', left };
  return { is: 'starting', blocking: names(({ is }) => is !== 'ready' && is !== 'waiting') };
}

/** One line for a person, without a full stop. */
export function summaryText(summary: Summary): string {
  switch (summary.is) {
    case 'ready':
      return 'ready';
    case 'starting':
      return summary.blocking.length === 0 ? 'starting' : `waiting for ${summary.blocking.join(', ')}`;
    case 'failed':
      return `failed: ${summary.failed.join(', ')}`;
    case 'stopping':
      return `stopping ${summary.left.join(', ')}`;
    case 'stopped':
      return 'stopped';
  }
}
