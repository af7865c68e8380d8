/** Keeps the page as it is on the server, and the tails of the logs that are open. Runs in the browser. */
import { follow } from './logs.ts';

const connection = document.querySelector('#connection')!;
/** Each part as the server sent it last; what is shown has its times in the reader's zone. */
const sent = new Map<string, string>();

let events: EventSource | undefined;
let wanted = false;
let busy = false;

function localize(root: ParentNode): void {
  for (const time of root.querySelectorAll('time'))
    time.textContent = new Date(time.dateTime).toLocaleTimeString(undefined, { hour12: false });
}

function parts(root: ParentNode): NodeListOf<HTMLElement> {
  return root.querySelectorAll<HTMLElement>('[data-live]');
}

/** Puts in place what has changed; the focus stays where it was. */
function show(page: Document): void {
  const focused = document.activeElement?.id;
  const fresh = new Map([...parts(page)].map((part) => [part.dataset['live'], part]));
  for (const part of parts(document)) {
    const name = part.dataset['live'] ?? '';
    const next = fresh.get(name);
    if (next === undefined || sent.get(name) === next.innerHTML) continue;
    sent.set(name, next.innerHTML);
    localize(next);
    part.replaceChildren(...next.childNodes);
  }
  document.title = page.title;
  if (focused && document.activeElement?.id !== focused)
    document.getElementById(focused)?.focus({ preventScroll: true });
}

/** One request at a time, however much happens meanwhile. */
async function refresh(): Promise<void> {
  wanted = true;
  if (busy) return;
  busy = true;
  try {
    while (wanted) {
      wanted = false;
      const answer = await fetch('/');
      show(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    }
  } catch {
    // That the node cannot be reached is what the events say, too.
  } finally {
    busy = false;
  }
}

function say(text: string, lost: boolean): void {
  connection.textContent = text;
  connection.classList.toggle('lost', lost);
}

function open(): void {
  events?.close();
  events = new EventSource('/v1/events');
  events.addEventListener('open', () => {
    say('live', false);
    void refresh();
    void follow();
  });
  events.addEventListener('message', () => void refresh());
  events.addEventListener('error', () => say('The node does not answer; trying again.', true));
}

/** A browser has few connections to one server: a page that nobody sees takes none. */
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
  // Going there by the link would put the focus nowhere.
  event.preventDefault();
  if (row instanceof HTMLDetailsElement) row.open = true;
  (row.querySelector('summary') ?? row).focus();
});
localize(document);
onVisibility();
