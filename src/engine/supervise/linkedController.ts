/**
 * An AbortController that also aborts when `outer` does, even if it already has. Call `unlink` when done. Not
 * AbortSignal.any: on Node 20 each call leaks a little, and this is called for every run of every component.
 */
export function linkedController(outer: AbortSignal): {
  readonly controller: AbortController;
  readonly unlink: () => void;
} {
  const controller = new AbortController();
  const abort = (): void => controller.abort(outer.reason);
  if (outer.aborted) abort();
  outer.addEventListener('abort', abort);
  return { controller, unlink: () => outer.removeEventListener('abort', abort) };
}

/** Abort reason at a normal end. Shared, because an abort without a reason creates an error with a stack trace. */
export const finished = new Error('finished');
