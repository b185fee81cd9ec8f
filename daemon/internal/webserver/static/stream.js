// The stream of news from the server, for as long as the page lives.
import { base, sentence, toast } from './api.js';
import { refreshLook } from './look.js';

const silence = 50_000; // ms; the server says something every 20 s
const pause = 5_000; // before a stream that was refused is asked for again
let complained = false;

/**
 * Listens to news. hear has a function for each kind, which gets what was said, and open, which is called at each
 * new beginning, for what happened while nobody listened.
 */
export function stream(parameters, { open, ...kinds }) {
  const url = base + '/api/v1/events' + parameters;
  const events = new EventSource(url);
  let heard = performance.now();
  const hear = (kind, handle) => events.addEventListener(kind, ({ data }) => {
    heard = performance.now();
    handle(JSON.parse(data));
  });
  for (const [kind, handle] of Object.entries(kinds)) hear(kind, handle);
  hear('page', refreshLook);
  hear('alive', () => {});
  const again = () => {
    clearInterval(watch);
    events.close();
    stream(parameters, { open, ...kinds });
  };
  // A network that swallows everything looks like one that is quiet.
  const watch = setInterval(() => { if (performance.now() - heard > silence) again(); }, pause);
  events.onopen = () => {
    heard = performance.now();
    open();
    refreshLook();
  };
  events.onerror = () => {
    heard = performance.now(); // the browser tries again by itself, or has given up
    if (events.readyState !== EventSource.CLOSED) return;
    clearInterval(watch);
    setTimeout(again, pause);
    open(); // finds out whether the login has ended
    complain(url);
  };
}

/** Says, once, why there is no news; the browser keeps that to itself. */
async function complain(url) {
  const enough = new AbortController();
  try {
    const response = await fetch(url, { signal: enough.signal });
    if (response.status !== 429 || complained) return;
    complained = true;
    toast(sentence((await response.json()).error.message));
  } catch {
    // The server is away.
  } finally {
    enough.abort();
  }
}
