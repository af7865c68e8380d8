/** Keeps the page and the tails of the open logs up to date. Runs in the browser. */
import { follow } from './logs.ts';

const connection = document.querySelector('#connection')!;
/** The elements as the server last sent them. On the page their times are in the reader's time zone. */
const received = new Map<string, string>();

let events: EventSource | undefined;
let isStale = false;
let busy = false;

function localize(root: ParentNode): void {
  for (const time of root.querySelectorAll('time'))
    time.textContent = new Date(time.dateTime).toLocaleTimeString(undefined, { hour12: false });
}

function liveElements(root: ParentNode): NodeListOf<HTMLElement> {
  return root.querySelectorAll<HTMLElement>('[data-live]');
}

/** Replaces the elements that have changed and keeps the focus. */
function update(page: Document): void {
  const focused = document.activeElement?.id;
  const fresh = new Map([...liveElements(page)].map((part) => [part.dataset['live'], part]));
  for (const part of liveElements(document)) {
    const name = part.dataset['live'] ?? '';
    const next = fresh.get(name);
    if (next === undefined || received.get(name) === next.innerHTML) continue;
    received.set(name, next.innerHTML);
    localize(next);
    part.replaceChildren(...next.childNodes);
  }
  document.title = page.title;
  if (focused && document.activeElement?.id !== focused)
    document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Fetches the page again, one request at a time however many events arrive. */
async function refresh(): Promise<void> {
  isStale = true;
  if (busy) return;
  busy = true;
  try {
    while (isStale) {
      isStale = false;
      const response = await fetch('/');
      update(new DOMParser().parseFromString(await response.text(), 'text/html'));
    }
  } catch {
    // The event source reports that the node cannot be reached.
  } finally {
    busy = false;
  }
}

function showConnection(text: string, lost: boolean): void {
  connection.textContent = text;
  connection.classList.toggle('lost', lost);
}

function open(): void {
  events?.close();
  events = new EventSource('/v1/events');
  events.addEventListener('open', () => {
    showConnection('live', false);
    void refresh();
    void follow();
  });
  events.addEventListener('message', () => void refresh());
  events.addEventListener('error', () => showConnection('Node not reachable, retrying.', true));
}

/** Browsers limit the connections to a server: a hidden page closes its own. */
function onVisibility(): void {
  if (document.visibilityState === 'visible') return open();
  events?.close();
  void follow({ stop: true });
}

document.addEventListener('visibilitychange', onVisibility);
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a.box') : null;
  const row = link && document.getElementById((link.getAttribute('href') ?? '').slice(1));
  if (row === null) return;
  // Following the link would lose the focus.
  event.preventDefault();
  if (row instanceof HTMLDetailsElement) row.open = true;
  (row.querySelector('summary') ?? row).focus();
});
localize(document);
onVisibility();
