// Requests to the server that the page came from, with the token where it asks for one. The token
// stays in this tab, and never stands in a URL.

const KEY = 'audiox-token';

/** What the server refused, in its own words. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  #asking = null;
  #ask;
  #isKnown = false;

  /**
   * `ask(reason, mayCancel)` resolves to a token, or to null; it is called when one is missing,
   * wrong, or not for what was asked.
   */
  constructor(ask) {
    this.#ask = ask;
  }

  /** The token that is in use, if any. */
  get token() {
    return sessionStorage.getItem(KEY);
  }

  set token(token) {
    sessionStorage.setItem(KEY, token);
  }

  /** Sends `body` as JSON, or text as it is, and resolves to the answer's JSON. */
  async send(method, path, body) {
    const response = await this.#fetch(method, path, body);
    const text = await response.text();
    return text ? JSON.parse(text) : null;
  }

  /**
   * Reads events for ever: `on[name](data)` for each, `on.up()` when the server answers,
   * `on.down()` when it is gone.
   */
  async events(path, on) {
    for (let pause = 500; ; pause = Math.min(2 * pause, 8000)) {
      try {
        const response = await this.#fetch('GET', path);
        on.up?.();
        for await (const [name, data] of parse(response.body)) {
          on[name]?.(JSON.parse(data));
          pause = 500;
        }
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof Refused)) throw error;
      }
      on.down?.();
      await new Promise((done) => setTimeout(done, pause));
    }
  }

  async #fetch(method, path, body) {
    for (;;) {
      const { token } = this;
      const headers = token ? { Authorization: `Bearer ${token}` } : {};
      if (body !== undefined) headers['Content-Type'] = 'application/json';
      const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
      const response = await fetch(path, { method, headers, body: text });
      if (response.ok) {
        this.#isKnown = true;
        return response;
      }
      const { error } = await response.json().catch(() => ({ error: response.statusText }));
      if (response.status !== 401) throw new Refused(response.status, error);
      // Whoever else waits for a token waits for the same one.
      const ask = () => this.#ask(token ? error : '', this.#isKnown).finally(() => (this.#asking = null));
      const given = await (this.#asking ??= ask());
      if (given === null) throw new Refused(401, error);
      sessionStorage.setItem(KEY, given);
    }
  }
}

async function* parse(body) {
  let rest = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split('\n\n');
    rest = events.pop();
    for (const event of events) {
      const fields = Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/s, 2)));
      yield [fields.event, fields.data];
    }
  }
}
