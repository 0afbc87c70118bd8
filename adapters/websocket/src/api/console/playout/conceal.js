// What is heard where audio is missing: the sound goes on as it went before, fades out, and passes
// into what comes next. The way of audiox-core's `conceal`, without its bridges (a WebSocket loses
// nothing in between) and without its noise. Interleaved frames.

export class Concealer {
  #channels;
  #history;
  #mono;
  #loop;
  #loopFrames = 0;
  #place = 0;
  #extended = 0;
  #ms;

  constructor(rate, channels) {
    this.#ms = (n) => Math.floor((n * rate) / 1000);
    this.#channels = channels;
    this.frames = this.#ms(CONTEXT + CONTEXT + REACH + 20) + 1;
    this.#history = new Float32Array(this.frames * channels);
    this.#mono = new Float32Array(this.frames);
    this.#loop = new Float32Array(this.#ms(CONTEXT + REACH) * channels);
    this.step = Math.max(1, Math.floor(rate / 8000));
  }

  /** Real audio that went out. */
  push(samples) {
    this.#remember(samples);
    this.#extended = 0;
  }

  /** The last frames that went out. */
  recent(frames) {
    return this.#history.subarray(this.#history.length - Math.min(frames, this.frames) * this.#channels);
  }

  /** Goes on from what went before, the end being unknown. */
  extend(out) {
    if (this.#extended === 0) this.#begin();
    for (let at = 0; at < out.length; at += this.#channels) this.#next(out, at);
    this.#remember(out);
  }

  /** Blends the first frames of real audio with what would have gone on, in place. */
  merge(samples) {
    if (this.#extended === 0) this.#begin();
    const [ch, blend] = [this.#channels, Math.max(this.#ms(BLEND), 8)];
    const frames = Math.min(samples.length / ch, blend);
    const made = new Float32Array(ch);
    for (let n = 0; n < frames; n += 1) {
      this.#next(made, 0);
      const share = raised((n + 1) / (frames + 1));
      for (let c = 0; c < ch; c += 1) {
        samples[n * ch + c] = made[c] + (samples[n * ch + c] - made[c]) * share;
      }
    }
  }

  reset() {
    this.#history.fill(0);
    this.#extended = 0;
  }

  #remember(samples) {
    const history = this.#history;
    const keep = samples.subarray(Math.max(0, samples.length - history.length));
    history.copyWithin(0, keep.length);
    history.set(keep, history.length - keep.length);
  }

  /** Finds what to go on with: what followed where the past was most like its last 3 ms. */
  #begin() {
    const [ch, history, mono] = [this.#channels, this.#history, this.#mono];
    mixToMono(history, ch, mono, this.frames);
    const [context, reach] = [this.#ms(CONTEXT), this.#ms(REACH)];
    const end = this.frames - context;
    let [lag, best] = [context, -Infinity];
    const look = (from, to, step, stride) => {
      for (let l = from; l <= to; l += step) {
        const alike = likeness(mono, end, end - l, context, stride);
        if (alike > best) [lag, best] = [l, alike];
      }
    };
    look(context, context + reach, this.step, this.step);
    best = -Infinity;
    look(Math.max(context, lag - this.step), Math.min(context + reach, lag + this.step), 1, 1);

    this.#loopFrames = Math.min(lag, this.#loop.length / ch);
    const start = (this.frames - lag) * ch;
    this.#loop.set(history.subarray(start, start + this.#loopFrames * ch));
    const blend = Math.min(Math.max(this.#ms(BLEND), 8), this.#loopFrames);
    const [last, before] = [history.length - ch, start - ch];
    for (let k = 0; k < blend; k += 1) {
      const left = raised(1 - (k + 1) / (blend + 1));
      for (let c = 0; c < ch; c += 1) {
        this.#loop[k * ch + c] += (history[last + c] - history[before + c]) * left;
      }
    }
    this.#place = 0;
  }

  #next(out, at) {
    const [from, to] = [this.#ms(FADE_FROM), this.#ms(FADE_TO)];
    const along = Math.min(Math.max((this.#extended - from) / (to - from), 0), 1);
    const gain = 1 - raised(along);
    const start = this.#place * this.#channels;
    for (let c = 0; c < this.#channels; c += 1) {
      out[at + c] = Math.min(Math.max(this.#loop[start + c] * gain, -1), 1);
    }
    this.#place = (this.#place + 1) % Math.max(this.#loopFrames, 1);
    this.#extended += 1;
  }
}

/** The mean of the channels. */
export function mixToMono(samples, channels, mono, frames) {
  for (let n = 0; n < frames; n += 1) {
    let sum = 0;
    for (let c = 0; c < channels; c += 1) sum += samples[n * channels + c];
    mono[n] = sum / channels;
  }
}

/** 3x² − 2x³, which is smooth at both ends. */
export const raised = (x) => x * x * (3 - 2 * x);

/** How much two stretches of a signal are the same, 1 at most. */
export function likeness(x, a, b, length, stride = 1) {
  let [dot, left, right] = [0, 0, 0];
  for (let n = 0; n < length; n += stride) {
    dot += x[a + n] * x[b + n];
    left += x[a + n] * x[a + n];
    right += x[b + n] * x[b + n];
  }
  return dot / Math.sqrt(left * right + 1e-20);
}

/** Milliseconds. */
const CONTEXT = 3;
const REACH = 20;
const BLEND = 2;
const FADE_FROM = 25;
const FADE_TO = 110;
