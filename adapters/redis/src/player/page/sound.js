// What is heard here: samples from the server, put one behind the other on the browser's own time
// line, some seconds ahead.

export class Listening extends EventTarget {
  isOver = false;
  isPaused = false;
  isLive;
  /** `loading`, `playing`, `waiting`, `paused`, `over` or `failed`. */
  state = 'loading';
  error = null;
  #context = null;
  #gain = null;
  #volume;
  #abort = new AbortController();
  /** What was put on the time line: when it is heard, and which seconds of the sound it is. */
  #pieces = [];
  #next = 0;
  #at;
  #hasEnded = false;
  #timer;

  /** Plays `url` from `from` seconds on. */
  constructor(url, { from, isLive, token, volume }) {
    super();
    this.isLive = isLive;
    this.#at = from;
    this.#volume = volume;
    this.#timer = setInterval(() => this.#look(), 60);
    this.#run(url, token).catch((error) => {
      if (error.name !== 'AbortError') this.#end(error.message);
    });
  }

  /** Seconds of the sound that are heard now. */
  get at() {
    const now = this.#context?.currentTime ?? 0;
    let heard = null;
    for (const piece of this.#pieces) {
      if (piece.when > now) break;
      heard = piece;
    }
    if (!heard) return this.#pieces[0]?.at ?? this.#at;
    return heard.at + Math.min(now - heard.when, heard.seconds);
  }

  set volume(volume) {
    this.#volume = volume;
    this.#gain?.gain.setTargetAtTime(volume, this.#context.currentTime, 0.02);
  }

  async pause(isPaused) {
    this.isPaused = isPaused;
    await (isPaused ? this.#context?.suspend() : this.#context?.resume());
    this.#look();
  }

  close() {
    if (this.isOver) return;
    this.isOver = true;
    this.state = this.error ? 'failed' : 'over';
    clearInterval(this.#timer);
    this.#abort.abort();
    this.#context?.close();
    this.dispatchEvent(new Event('change'));
  }

  #end(error) {
    this.error = error;
    this.close();
  }

  async #run(url, token) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(url, { headers, signal: this.#abort.signal });
    const rate = Number(response.headers.get('audiox-rate'));
    if (!response.ok || !rate) {
      const told = await response.json().catch(() => ({}));
      throw new Error(told.message ?? told.error ?? response.statusText);
    }
    const channels = Number(response.headers.get('audiox-channels'));
    this.#open(rate);
    const reader = response.body.getReader();
    let rest = new Uint8Array(0);
    for (;;) {
      while (this.#next - this.#context.currentTime > AHEAD) await sleep(100);
      if (this.isOver) return;
      const { value, done } = await reader.read();
      if (done) break;
      const all = new Uint8Array(rest.length + value.length);
      all.set(rest);
      all.set(value, rest.length);
      const whole = all.length - (all.length % (2 * channels));
      // Very small pieces would only cost time.
      if (whole < 2 * channels * rate * 0.02) {
        rest = all;
        continue;
      }
      this.#play(all.slice(0, whole).buffer, rate, channels);
      rest = all.slice(whole);
    }
    if (rest.length >= 2 * channels) {
      this.#play(rest.slice(0, rest.length - (rest.length % (2 * channels))).buffer, rate, channels);
    }
    this.#hasEnded = true;
  }

  #open(rate) {
    // At the sound's own rate nothing is converted between one piece and the next.
    try {
      this.#context = new AudioContext({ sampleRate: rate });
    } catch {
      this.#context = new AudioContext();
    }
    this.#gain = this.#context.createGain();
    this.#gain.gain.value = this.#volume;
    this.#gain.connect(this.#context.destination);
    if (this.isPaused) this.#context.suspend();
    else if (this.#context.state === 'suspended') this.#context.resume();
  }

  #play(data, rate, channels) {
    const samples = new Int16Array(data);
    const frames = samples.length / channels;
    const buffer = this.#context.createBuffer(channels, frames, rate);
    for (let c = 0; c < channels; c += 1) {
      const channel = buffer.getChannelData(c);
      for (let n = 0; n < frames; n += 1) channel[n] = samples[n * channels + c] / 32768;
    }
    const now = this.#context.currentTime;
    if (this.#next < now + 0.01) this.#next = now + (this.isLive ? LIVE : START);
    const source = this.#context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.#gain);
    source.start(this.#next);
    const seconds = frames / rate;
    this.#pieces.push({ when: this.#next, at: this.#at, seconds });
    this.#next += seconds;
    this.#at += seconds;
    while (this.#pieces.length > 2 && this.#pieces[1].when < now) this.#pieces.shift();
  }

  #look() {
    if (this.isOver) return;
    const now = this.#context?.currentTime ?? 0;
    const hears = this.#pieces.length > 0 && now < this.#next;
    if (this.isPaused) this.state = 'paused';
    else if (this.#context && this.#context.state !== 'running') this.state = 'blocked';
    else if (hears) this.state = 'playing';
    else if (this.#hasEnded) return this.close();
    else this.state = this.#context ? 'waiting' : 'loading';
    this.dispatchEvent(new Event('change'));
  }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Seconds put on the time line before they are heard. */
const AHEAD = 3;
const START = 0.05;
/** What is recorded now comes once a second. */
const LIVE = 0.3;
