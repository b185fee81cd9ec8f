// A WebSocket in noVNC's hands: it counts what comes, tells how it ended, and lets
// the page put in a word between noVNC's messages.
export class Channel {
  #socket;
  received = 0;
  wasOpen = false;
  ended; // the code and the reason, when it has
  heard = performance.now(); // when something came last
  waiters = [];
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  /** opened is called when the WebSocket is. */
  constructor(url, protocols, opened) {
    this.opened = opened;
    this.#socket = new WebSocket(url, protocols);
    this.#socket.onopen = (event) => {
      this.wasOpen = true;
      this.opened?.();
      this.onopen?.(event);
    };
    this.#socket.onerror = (event) => this.onerror?.(event);
    this.#socket.onmessage = (event) => this.#hear(event);
    this.#socket.onclose = (event) => this.#end(event);
  }

  get readyState() { return this.#socket?.readyState ?? WebSocket.CLOSED; }
  get protocol() { return this.#socket?.protocol ?? ''; }
  get binaryType() { return this.#socket?.binaryType ?? 'arraybuffer'; }
  set binaryType(type) { if (this.#socket) this.#socket.binaryType = type; }
  send(data) { this.#socket?.send(data); }
  close() { this.#socket?.close(); }

  #hear(event) {
    this.heard = performance.now();
    this.received += event.data.byteLength;
    for (const done of this.waiters.splice(0)) done(this.heard);
    this.onmessage?.(event);
  }

  /** Waits for whatever comes next and returns when it came. */
  next() { return new Promise((done) => this.waiters.push(done)); }

  /** Gives up a connection that answers no more: a browser would wait for it for minutes. */
  abandon() {
    const socket = this.#socket;
    this.#end({ code: 1006, reason: '' });
    socket?.close();
  }

  #end(event) {
    if (!this.#socket) return;
    this.ended = { code: event.code, reason: event.reason };
    this.#socket.onmessage = this.#socket.onclose = this.#socket.onerror = null;
    this.#socket = null;
    this.onclose?.(event);
  }
}
