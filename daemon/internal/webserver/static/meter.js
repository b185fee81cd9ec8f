// Measures the connection of a display: how long an answer takes, and how much comes.
import { base } from './api.js';

const every = 2000;
const silence = 8000; // without an answer for so long a connection counts as broken
const kept = 5;

// A request for one pixel of the screen, which the X server answers at once. It goes all the
// way that a key press and its picture go.
const onePixel = new Uint8Array([3, 0, 0, 0, 0, 0, 0, 1, 0, 1]);

export class Meter {
  #channel;
  #samples = [];
  #last = { at: performance.now(), received: 0 };
  #timer;
  rate = 0; // bytes a second

  /** tell is called with this meter after each measurement; dead when nothing answers any more. */
  constructor(channel, tell, dead) {
    this.#channel = channel;
    const step = async () => {
      await this.#measure(dead);
      if (!this.#timer) return;
      tell(this);
      this.#timer = setTimeout(step, every);
    };
    this.#timer = setTimeout(step, 250);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** The latency in milliseconds: the median of the last few. Undefined before the first. */
  get latency() {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }

  get health() {
    if (this.latency === undefined) return 'away';
    if (this.latency < 100) return 'good';
    return this.latency < 250 ? 'fair' : 'poor';
  }

  async #measure(dead) {
    const now = performance.now();
    this.rate = Math.max(0, (this.#channel.received - this.#last.received) / (now - this.#last.at) * 1000);
    this.#last = { at: now, received: this.#channel.received };
    // What comes next on a busy display answers something else.
    const took = now - this.#channel.heard > 100 ? await this.#askDisplay(now) : await askServer(now);
    if (took === undefined) {
      if (this.#timer && performance.now() - this.#channel.heard > silence && !document.hidden) dead();
      return;
    }
    this.#samples = [...this.#samples, took].slice(-kept);
  }

  async #askDisplay(begun) {
    try {
      this.#channel.send(onePixel);
    } catch {
      return undefined;
    }
    const late = new Promise((done) => setTimeout(done, silence));
    const came = await Promise.race([this.#channel.next(), late]);
    return came && came - begun;
  }
}

async function askServer(begun) {
  try {
    await fetch(base + '/healthz', { method: 'HEAD', cache: 'no-store', signal: AbortSignal.timeout(silence) });
    return performance.now() - begun;
  } catch {
    return undefined;
  }
}

/** Bytes a second in words. */
export function speed(rate, lang) {
  const [unit, size] = rate >= 1e6 ? ['megabyte', 1e6] : ['kilobyte', 1e3];
  const number = new Intl.NumberFormat(lang, { style: 'unit', unit: unit + '-per-second', maximumFractionDigits: rate >= 1e6 ? 1 : 0 });
  return number.format(rate / size);
}
