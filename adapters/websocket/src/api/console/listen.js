// Listening: a worker that fetches (link.js), the audio thread that plays (player.js), and what
// the page is told of both.

/** Whether this page may use the audio thread: browsers give it to secure pages alone. */
export const canListen = () => Boolean(globalThis.AudioWorkletNode && isSecureContext);

/** Plays one stream, live or from a point of its archive. */
export class Listening extends EventTarget {
  #context;
  #worker;
  #gain;
  #clock;

  /**
   * `stream` has `stream_id`, `rate`, `channels` and `format`; `from` are seconds, or null for
   * what is live. Tells `change` events; `state` is what is known.
   */
  constructor(stream, { from = null, profile, volume, token, clock }) {
    super();
    this.stream = stream;
    this.isLive = from === null;
    this.state = { playing: false, at: from ?? 0, queued: 0 };
    this.stats = {};
    this.isUp = false;
    this.isPaused = false;
    this.isOver = false;
    this.error = null;
    /** Seconds from when the relay had a packet to when it is heard. */
    this.latency = null;
    this.#clock = clock;
    this.#start(from, profile, volume, token).catch((error) => this.#end(error.message));
  }

  async #start(from, profile, volume, token) {
    const { rate, channels, format, stream_id: id } = this.stream;
    // At the stream's own rate, so that the browser alone resamples, and only for the device.
    this.#context = new AudioContext({ sampleRate: rate, latencyHint: 'interactive' });
    await this.#context.audioWorklet.addModule('/player.js');
    if (this.isOver) return;
    const outs = Math.min(channels, 2);
    const player = new AudioWorkletNode(this.#context, 'audiox-player', {
      numberOfInputs: 0,
      outputChannelCount: [outs],
      processorOptions: { rate, channels, profile, isLive: this.isLive },
    });
    player.port.onmessage = ({ data }) => this.#hear(data);
    player.onprocessorerror = () => this.#end('the audio thread failed');
    this.#gain = new GainNode(this.#context, { gain: volume });
    player.connect(this.#gain).connect(this.#context.destination);
    const { port1, port2 } = new MessageChannel();
    player.port.postMessage({ port: port1 }, [port1]);
    this.#worker = new Worker('/link.js');
    this.#worker.onmessage = ({ data }) => this.#learn(data);
    this.#worker.onerror = ({ message }) => this.#end(message || 'the worker failed');
    const what = this.isLive ? 'listen' : 'replay';
    this.#worker.postMessage({ what, id, token, from, format: { rate, channels, format }, port: port2 }, [port2]);
    // Where the browser wants a click first, this waits for one.
    if (this.#context.state === 'suspended') this.#context.resume();
  }

  set volume(volume) {
    this.#gain?.gain.setTargetAtTime(volume, this.#context.currentTime, 0.02);
  }

  /** Stops for a while; what is live goes on meanwhile. */
  async pause(isPaused) {
    this.isPaused = isPaused;
    await (isPaused ? this.#context?.suspend() : this.#context?.resume());
    this.#tell();
  }

  close() {
    if (this.isOver) return;
    this.isOver = true;
    this.#worker?.terminate();
    this.#context?.close();
    this.#tell();
  }

  #end(error) {
    this.error ??= error;
    this.close();
  }

  #learn({ up, over, error }) {
    if (up !== undefined) this.isUp = up;
    if (over && error) this.#end(error);
    else this.#tell();
  }

  #hear({ state, stats, isOver, begun }) {
    this.state = state;
    this.stats = stats;
    if (begun && this.#clock.offset !== null) this.latency = this.#latencyOf(begun);
    if (isOver) this.close();
    else this.#tell();
  }

  /** When a packet is heard that the audio thread has begun, less when the relay had it. */
  #latencyOf({ sent, time }) {
    const { contextTime, performanceTime } = this.#context.getOutputTimestamp();
    const heard = performanceTime > 0
      ? performanceTime / 1000 + (time - contextTime)
      : performance.now() / 1000 + (time - this.#context.currentTime) + (this.#context.outputLatency || 0);
    const latency = heard + this.#clock.offset - sent;
    // Steadied, since the sound card's time comes in steps.
    const isNear = this.latency !== null && Math.abs(latency - this.latency) < 0.25;
    return isNear ? this.latency + (latency - this.latency) / 8 : latency;
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}

/** The relay's clock: what to add to `performance.now()`, by the luckiest of the last answers. */
export class Clock {
  offset = null;
  /** Seconds by which it may be wrong. */
  doubt = null;
  #answers = [];

  constructor() {
    const look = async () => {
      for (let n = 0; n < 4; n += 1) await this.#ask();
      setTimeout(look, 20_000);
    };
    look();
  }

  async #ask() {
    const before = performance.now() / 1000;
    const { now } = await fetch('/api/time').then((response) => response.json()).catch(() => ({}));
    const after = performance.now() / 1000;
    if (now === undefined) return;
    this.#answers.push({ offset: now - (before + after) / 2, doubt: (after - before) / 2 });
    if (this.#answers.length > 12) this.#answers.shift();
    const best = this.#answers.reduce((a, b) => (b.doubt < a.doubt ? b : a));
    [this.offset, this.doubt] = [best.offset, best.doubt];
  }
}
