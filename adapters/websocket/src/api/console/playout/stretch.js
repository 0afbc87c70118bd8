// Audio made a little shorter or longer at the same pitch: one splice of two places that look the
// same. The way of audiox-core's `stretch`, with a plainer search. Interleaved frames.

import { likeness, mixToMono, raised } from './conceal.js';

export class Stretcher {
  #channels;
  #step;
  #shortestLag;
  #shortestFade;
  #quietFade;
  #mono;
  #low;
  #ends;
  #difference;
  #recent = 0;

  constructor(rate, channels) {
    const frames = (ms) => Math.ceil((rate * ms) / 1000);
    this.#channels = channels;
    this.window = frames(40);
    this.#step = Math.max(1, Math.floor(rate / 8000));
    this.#shortestLag = frames(2);
    this.#shortestFade = frames(1);
    this.#quietFade = frames(5);
    this.#mono = new Float32Array(this.window);
    const low = Math.floor(this.window / this.#step);
    this.#low = new Float32Array(low);
    this.#ends = new Float32Array(low / BLOCK + 2);
    this.#difference = new Float32Array(low / BLOCK + 2);
  }

  /** Shortens the first `frames` frames of `audio` in place; returns how many are left. */
  accelerate(audio, frames, limit, effort) {
    const splice = this.#choose(audio, frames, 0, limit, effort);
    if (!splice) return frames;
    const { at, lag, fade } = splice;
    const ch = this.#channels;
    this.#blend(audio, splice, false);
    const end = at + fade;
    audio.copyWithin(end * ch, (end + lag) * ch, frames * ch);
    return frames - lag;
  }

  /**
   * Lengthens the first `frames` frames of `audio`, of which the first `played` are past, in
   * place; there is room for twice as many. Returns how many they are then.
   */
  expand(audio, frames, played, limit, effort) {
    const splice = this.#choose(audio, frames, played, limit, effort);
    if (!splice) return frames;
    const { at, lag, fade } = splice;
    const ch = this.#channels;
    const end = at + fade;
    audio.copyWithin((end + lag) * ch, end * ch, frames * ch);
    this.#blend(audio, splice, true);
    return frames + lag;
  }

  /** Blends both places into the first, or, for more, into the second. */
  #blend(audio, { at, lag, fade }, lengthens) {
    const ch = this.#channels;
    const alike = Math.max(0, likeness(audio, at * ch, (at + lag) * ch, fade * ch));
    // Backwards where it lengthens: where the two overlap, the second is the first later on.
    for (let k = 0; k < fade; k += 1) {
      const n = lengthens ? fade - 1 - k : k;
      const comes = raised(n / Math.max(fade - 1, 1));
      const goes = 1 - comes;
      const gain = 1 / Math.sqrt(goes * goes + comes * comes + 2 * alike * goes * comes);
      for (let c = 0; c < ch; c += 1) {
        const [a, b] = [(at + n) * ch + c, (at + lag + n) * ch + c];
        const [from, to, into] = lengthens ? [b, a, b] : [a, b, a];
        audio[into] = Math.min(Math.max((goes * audio[from] + comes * audio[to]) * gain, -1), 1);
      }
    }
  }

  #choose(audio, frames, played, limit, effort) {
    const n = Math.min(frames, this.window);
    const ahead = n - played;
    mixToMono(audio, this.#channels, this.#mono, n);
    if (this.#isQuiet(n)) {
      const fade = this.#quietFade;
      const lag = Math.min(limit, n - fade);
      if (lag <= 0 || ahead < fade) return null;
      return { at: Math.max(Math.floor((n - fade - lag) / 2), played - lag, 0), lag, fade };
    }
    const grid = (BLOCK + 2) * this.#step;
    const fade = Math.min(Math.floor(n / 4), ahead - grid);
    const longest = Math.min(limit, Math.floor(this.window / 2), n - fade);
    if (fade < this.#shortestFade || longest < this.#shortestLag) return null;
    const found = this.#find(n, fade, longest, played);
    return found && found.merit >= ENOUGH[effort] ? found : null;
  }

  /** Tries every lag at every place, on the signal at about 8 kHz, and refines the best. */
  #find(n, fade, longest, played) {
    const [step, low] = [this.#step, this.#low];
    const count = Math.floor(n / step);
    let power = 0;
    for (let i = 0; i < count; i += 1) {
      let sum = 0;
      for (let k = 0; k < step; k += 1) sum += this.#mono[i * step + k];
      low[i] = sum / step;
      power += low[i] * low[i];
    }
    const masked = 2 * MASKING * (power / count);
    const span = Math.max(1, Math.floor(fade / step / BLOCK));
    let best = null;
    const last = Math.min(Math.floor(longest / step), count - span * BLOCK);
    for (let lag = Math.ceil(this.#shortestLag / step); lag <= last; lag += 1) {
      const blocks = this.#sumBlocks(count, lag);
      const first = Math.max(0, Math.ceil((played - lag * step) / (step * BLOCK)));
      for (let b = first; b + span <= blocks; b += 1) {
        const length = span * BLOCK;
        const difference = (this.#difference[b + span] - this.#difference[b]) / length;
        const ends = (this.#ends[b + span] - this.#ends[b]) / length;
        const merit = 1 - difference / (ends + masked + 1e-30);
        const value = merit + (PREFERENCE * lag) / count;
        if (!best || value > best.value) best = { value, at: b * BLOCK * step, lag: lag * step };
      }
    }
    return best && this.#sharpen(best, n, fade, longest, played, masked);
  }

  #sumBlocks(count, lag) {
    const blocks = Math.floor((count - lag) / BLOCK);
    for (let b = 0; b < blocks; b += 1) {
      let [ends, difference] = [0, 0];
      for (let i = b * BLOCK; i < (b + 1) * BLOCK; i += 1) {
        const [x, y] = [this.#low[i], this.#low[i + lag]];
        difference += (x - y) * (x - y);
        ends += x * x + y * y;
      }
      this.#ends[b + 1] = this.#ends[b] + ends;
      this.#difference[b + 1] = this.#difference[b] + difference;
    }
    return blocks;
  }

  #sharpen({ at, lag }, n, fade, longest, played, masked) {
    const x = this.#mono;
    let best = null;
    const from = Math.max(this.#shortestLag, lag - this.#step, played - at);
    const to = Math.min(longest, lag + this.#step, n - at - fade);
    for (let l = from; l <= to; l += 1) {
      let [ends, difference] = [0, 0];
      for (let i = at; i < at + fade; i += 1) {
        const d = x[i] - x[i + l];
        difference += d * d;
        ends += x[i] * x[i] + x[i + l] * x[i + l];
      }
      const merit = 1 - difference / (ends + fade * masked + 1e-30);
      if (!best || merit > best.merit) best = { at, lag: l, fade, merit };
    }
    return best;
  }

  #isQuiet(n) {
    let level = 0;
    for (let i = 0; i < n; i += 1) level += this.#mono[i] * this.#mono[i];
    level /= Math.max(n, 1);
    this.#recent = Math.max(level, this.#recent * FORGETTING);
    return level <= SILENCE || level <= this.#recent * QUIET;
  }
}

const BLOCK = 8;
const MASKING = 0.3;
const PREFERENCE = 0.2;
const SILENCE = 1e-7;
const QUIET = 1e-4;
const FORGETTING = 0.95;
const ENOUGH = { gentle: 0.9, normal: 0.5, urgent: -Infinity };
