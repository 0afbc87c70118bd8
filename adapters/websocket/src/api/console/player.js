// The audio thread's part of listening. What comes from the worker (link.js) through a port of its
// own is played: live by a Timeline, from the archive one after another. Packets are stamped when
// they are here, by the clock that pulls, so that one clock is all there is.

import { Concealer } from '/playout/conceal.js';
import { Timeline } from '/playout/timeline.js';

class Player extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    const { channels, isLive } = processorOptions;
    this.channels = channels;
    this.source = isLive ? new Timeline(processorOptions) : new Queue(processorOptions);
    this.block = new Float32Array(0);
    this.told = 0;
    this.begun = null;
    if (isLive) {
      this.source.onbegin = (sent, frames) => {
        this.begun = { sent, time: (currentFrame + frames) / sampleRate };
      };
    }
    this.port.onmessage = ({ data }) => this.listenTo(data.port);
  }

  listenTo(port) {
    this.link = port;
    port.onmessage = ({ data }) => {
      if (data.samples) this.source.insert(this.now(), data);
      else if (data.ended) this.source.finish();
    };
  }

  now() {
    return Math.round((currentFrame / sampleRate) * 1e9);
  }

  process(_, [out]) {
    const frames = out[0].length;
    if (this.block.length !== frames * this.channels) this.block = new Float32Array(frames * this.channels);
    this.source.fill(this.now(), this.block);
    this.share(out, frames);
    if (currentFrame - this.told >= sampleRate / 10) {
      this.told = currentFrame;
      const { state, stats, isOver } = this.source;
      this.port.postMessage({ state, stats, isOver, begun: this.begun });
      this.link?.postMessage({ taken: state.taken });
    }
    return true;
  }

  /** One and two channels are as they are; of more, those in turn go left and right. */
  share(out, frames) {
    const [ch, outs] = [this.channels, out.length];
    if (ch > outs) for (const channel of out) channel.fill(0);
    const gain = ch > outs ? 1 / Math.ceil(ch / outs) : 1;
    for (let c = 0; c < ch; c += 1) {
      const channel = out[c % outs];
      for (let n = 0; n < frames; n += 1) {
        const sample = this.block[n * ch + c];
        channel[n] = ch > outs ? channel[n] + sample * gain : sample;
      }
    }
  }
}

/** Plays what it is given, in order. Where that stops for a while, so does the sound. */
class Queue {
  stats = { events: 0, concealed: 0 };
  #rate;
  #channels;
  #pieces = [];
  #used = 0;
  #queued = 0;
  #taken = 0;
  #at = 0;
  #isPlaying = false;
  #hasEnded = false;
  #made = 0;
  #torn = false;
  #concealer;

  constructor({ rate, channels }) {
    this.#rate = rate;
    this.#channels = channels;
    this.#concealer = new Concealer(rate, channels);
  }

  get state() {
    const [queued, at] = [this.#queued / this.#rate, this.#at / this.#rate];
    return { playing: this.#isPlaying, queued, at, taken: this.#taken };
  }

  get isOver() {
    return this.#hasEnded && this.#queued === 0;
  }

  insert(_, { at, samples }) {
    this.#pieces.push({ at, samples });
    this.#queued += samples.length / this.#channels;
  }

  finish() {
    this.#hasEnded = true;
  }

  fill(_, out) {
    const ch = this.#channels;
    const enough = this.#queued >= ENOUGH * this.#rate || this.#hasEnded;
    if (!this.#isPlaying && enough && this.#queued > 0) {
      this.#isPlaying = true;
      this.#torn = this.#made > 0;
      this.#made = 0;
    }
    let filled = 0;
    while (this.#isPlaying && filled < out.length && this.#pieces.length > 0) {
      const { at, samples } = this.#pieces[0];
      const piece = samples.subarray(this.#used * ch, this.#used * ch + out.length - filled);
      const part = out.subarray(filled, filled + piece.length);
      part.set(piece);
      if (this.#torn) this.#concealer.merge(part);
      this.#torn = false;
      this.#concealer.push(part);
      filled += piece.length;
      this.#used += piece.length / ch;
      this.#queued -= piece.length / ch;
      this.#taken += piece.length / ch;
      this.#at = at + this.#used;
      if (this.#used * ch >= samples.length) {
        this.#pieces.shift();
        this.#used = 0;
      }
    }
    if (filled === out.length) return;
    if (this.#isPlaying && !this.#hasEnded) this.stats.events += 1;
    this.#isPlaying = false;
    const rest = out.subarray(filled);
    if (this.#taken > 0 && this.#made < this.#rate / 5) {
      this.#concealer.extend(rest);
      this.#made += rest.length / ch;
    } else {
      rest.fill(0);
    }
  }
}

/** Seconds that are to be there before it plays. */
const ENOUGH = 0.25;

registerProcessor('audiox-player', Player);
