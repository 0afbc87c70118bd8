// A client of the server's Socket.IO (protocol v5 over Engine.IO v4), over a WebSocket: as much of
// it as a page needs. It connects again for as long as the page is open.

export class Socket {
  #handlers = new Map();
  #token;
  #socket = null;
  #pause = 500;
  #silence = null;
  #again = null;
  #patience = 60_000;
  #acks = new Map();
  #next = 0;
  isUp = false;

  /** `token()` is asked whenever it connects. */
  constructor(token) {
    this.#token = token;
    this.#connect();
  }

  /** `handle(data)` for each such event; `up`, `down` and `refused` (a reason) are its own. */
  on(name, handle) {
    this.#handlers.set(name, handle);
    return this;
  }

  /** Sends an event; resolves to its acknowledgement, or to null where it was not sent. */
  emit(name, data) {
    if (!this.isUp) return Promise.resolve(null);
    const id = (this.#next += 1);
    this.#socket.send(`42${id}${JSON.stringify([name, data])}`);
    return new Promise((done) => this.#acks.set(id, done));
  }

  /** Connects anew, as with another token. */
  restart() {
    this.#pause = 100;
    if (this.#socket.readyState > WebSocket.OPEN) this.#connect();
    else this.#socket.close();
  }

  #connect() {
    clearTimeout(this.#again);
    const url = new URL('/socket.io/?EIO=4&transport=websocket', location.href);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#hear();
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string') return;
      this.#hear();
      this.#receive(data);
    };
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      clearTimeout(this.#silence);
      for (const done of this.#acks.values()) done(null);
      this.#acks.clear();
      if (this.isUp) this.#tell('down');
      this.isUp = false;
      this.#again = setTimeout(() => this.#connect(), this.#pause);
      this.#pause = Math.min(2 * this.#pause, 8000);
    };
  }

  /** Who says nothing for longer than the server's heartbeats are apart is gone. */
  #hear() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#socket.close(), this.#patience);
  }

  #receive(text) {
    const [, kind, rest] = /^(4?\d)(.*)$/s.exec(text) ?? [];
    if (kind === '0') {
      const { pingInterval, pingTimeout } = JSON.parse(rest);
      this.#patience = pingInterval + pingTimeout;
      const token = this.#token();
      this.#socket.send(`40${token ? JSON.stringify({ token }) : ''}`);
    } else if (kind === '2') {
      this.#socket.send('3');
    } else if (kind === '40') {
      this.#pause = 500;
      this.isUp = true;
      this.#tell('up');
    } else if (kind === '44') {
      this.#tell('refused', JSON.parse(rest).message);
      this.#socket.close();
    } else if (kind === '42') {
      const [name, data] = JSON.parse(rest);
      this.#tell(name, data);
    } else if (kind === '43') {
      const [, id, data] = /^(\d+)(.*)$/s.exec(rest) ?? [];
      this.#acks.get(Number(id))?.(JSON.parse(data)[0] ?? null);
      this.#acks.delete(Number(id));
    } else if (kind === '1' || kind === '41') {
      this.#socket.close();
    }
  }

  #tell(name, data) {
    this.#handlers.get(name)?.(data);
  }
}
