/** Without an update for this long, what is shown is old. */
const STALE_MS = 5_000;
const RETRY_MS = 5_000;
/** A hidden page lets go of the connection after this time. */
const HIDDEN_MS = 30_000;

/**
 * Receives the state over server-sent events for as long as the page is visible.
 *
 * @param on Functions `hello`, `snapshot` and `update` of the event's data, and `status` of 'live', 'stale', 'waiting' or
 * 'refused' with a text.
 */
export function connect(on) {
  let source;
  let staleTimer;
  let hiddenTimer;

  const close = () => {
    source?.close();
    source = undefined;
    clearTimeout(staleTimer);
  };
  const received = () => {
    on.status('live', 'Live');
    clearTimeout(staleTimer);
    staleTimer = setTimeout(() => on.status('stale', 'No update'), STALE_MS);
  };
  const open = () => {
    close();
    source = new EventSource('events');
    source.addEventListener('hello', ({ data }) => on.hello(JSON.parse(data)));
    for (const name of ['snapshot', 'update']) {
      source.addEventListener(name, ({ data }) => {
        on[name](JSON.parse(data));
        received();
      });
    }
    source.onerror = () => {
      // The browser tries again by itself unless the server has refused.
      if (source?.readyState !== EventSource.CLOSED) on.status('waiting', 'Reconnecting');
      else void explain();
    };
  };
  /** An EventSource doesn't say why it was refused. */
  const explain = async () => {
    close();
    try {
      const answer = await fetch('stats.json', { cache: 'no-store' });
      const message = answer.ok
        ? 'Too many live views are open. Trying again.'
        : ((await answer.json()).error?.message ?? `The server answered ${answer.status}.`);
      on.status('refused', 'Not connected', message);
    } catch {
      on.status('waiting', 'Reconnecting');
    }
    setTimeout(() => {
      if (!document.hidden && !source) open();
    }, RETRY_MS);
  };

  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(close, HIDDEN_MS);
    else if (!source) open();
  });
  open();
}
