/**
 * A controller of one's own that also aborts with `outer`, even when that has aborted already. Not AbortSignal.any: on
 * Node 20 each call leaks a little, and this is called for every life of every component. `unlink` when it is done with.
 */
export function linkedController(outer: AbortSignal): {
  readonly own: AbortController;
  readonly unlink: () => void;
} {
  const own = new AbortController();
  const pass = (): void => own.abort(outer.reason);
  if (outer.aborted) pass();
  outer.addEventListener('abort', pass);
  return { own, unlink: () => outer.removeEventListener('abort', pass) };
}

/** Why what was linked ends when nothing went wrong. One for all: without a reason each abort makes an error with a stack. */
export const finished = new Error('it is over');
