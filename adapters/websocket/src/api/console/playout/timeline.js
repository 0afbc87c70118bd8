// Packets in, frames out: audiox-core's `playout::timeline` for what comes over a WebSocket. The
// delay estimator says how long to wait, the policy what to do next, and here it is done. Times in
// nanoseconds by the clock of whoever pulls, so that a sender whose clock differs is one whose
// packets come ever later, or earlier; what that adds up to is taken out by steps of a period.
// Interleaved frames.

import { Concealer } from './conceal.js';
import { DelayEstimator, PROFILES } from './delay.js';
import { PlayoutPolicy, SKIP_BEYOND_MAX, SLACK_ABOVE, SLACK_BELOW } from './policy.js';
import { Stretcher } from './stretch.js';

const MS = 1_000_000;

export class Timeline {
  #rate;
  #channels;
  #estimator;
  #policy;
  #concealer;
  #stretcher;
  /** Pieces of packets, in order. */
  #pieces = [];
  #queued = 0;
  #isPlaying = false;
  #hasEnded = false;
  /** The first frame that is neither out nor in `ahead`. */
  #next = 0;
  #ahead;
  #aheadFrames = 0;
  #joined;
  /** Frames made up in a row, and of these, those by which `next` did not move on. */
  #starved = 0;
  #held = 0;
  #torn = false;
  #fading = 0;
  #delay = 0;
  #margin = 0;

  stats = {
    packets: 0, late: 0, concealed: 0, events: 0, inserted: 0, removed: 0, skipped: 0, resyncs: 0,
  };

  /** Called with a packet's `sent` and how many frames from now its first one goes out. */
  onbegin = () => {};

  constructor({ rate, channels, profile = 'balanced' }) {
    const config = PROFILES[profile];
    this.#rate = rate;
    this.#channels = channels;
    this.#estimator = new DelayEstimator(config);
    this.#policy = new PlayoutPolicy({
      slackAbove: SLACK_ABOVE,
      slackBelow: SLACK_BELOW,
      skipAbove: config.max * MS + SKIP_BEYOND_MAX,
    });
    this.#concealer = new Concealer(rate, channels);
    this.#stretcher = new Stretcher(rate, channels);
    this.piece = Math.max(1, Math.floor(rate * PIECE));
    const room = (4 * this.#stretcher.window + this.piece) * channels;
    this.#ahead = new Float32Array(room);
    this.#joined = new Float32Array(room);
  }

  /** Delay aimed at and present delay, from the luckiest arrival, and what waits; in seconds. */
  get state() {
    return {
      playing: this.#isPlaying,
      target: this.#target() / 1e9,
      delay: this.#delay / 1e9,
      queued: (this.#queued + this.#aheadFrames) / this.#rate,
      at: Math.max(this.#next - this.#aheadFrames, 0) / this.#rate,
    };
  }

  /** A packet that came at `arrival`: its number, its first frame, its samples, when it was sent. */
  insert(arrival, { seq, at, samples, sent }) {
    const frames = samples.length / this.#channels;
    this.stats.packets += 1;
    this.#hasEnded = false;
    this.#estimator.observe(arrival, seq, this.#nanos(at), this.#nanos(frames));
    const newest = this.#pieces.at(-1);
    if ((this.#isPlaying && at + frames <= this.#next) || (newest && at < newest.at + newest.frames)) {
      this.stats.late += 1;
      return;
    }
    if (this.#queued > MOST * this.#rate) this.#restart();
    for (let from = 0; from < frames; from += this.piece) {
      const to = Math.min(from + this.piece, frames);
      this.#pieces.push({
        at: at + from,
        frames: to - from,
        samples: samples.subarray(from * this.#channels, to * this.#channels),
        sent: from === 0 ? sent : undefined,
      });
    }
    this.#queued += frames;
  }

  /** Nothing more is to come, unless it does. */
  finish() {
    this.#hasEnded = true;
  }

  get isOver() {
    return this.#hasEnded && !this.#isPlaying && this.#fading === 0;
  }

  /** Fills `out`, whose first frame is due at `now`. */
  fill(now, out) {
    const ch = this.#channels;
    this.#margin = this.#nanos(out.length / ch);
    let filled = 0;
    for (let steps = 0; filled < out.length; steps += 1) {
      const due = now + this.#nanos(filled / ch);
      const rest = out.subarray(filled);
      if (!this.#isPlaying) {
        const idle = this.#startOffset(due, rest.length / ch);
        this.#idle(rest.subarray(0, idle * ch));
        filled += idle * ch;
      } else if (this.#aheadFrames > 0) {
        filled += this.#pop(rest);
      } else {
        filled += this.#step(due, rest, filled / ch) * ch;
      }
      if (steps > STEPS) this.#restart();
    }
  }

  #nanos(frames) {
    return Math.floor((frames * 1e9) / this.#rate);
  }

  #frames(nanos) {
    return Math.floor((nanos * this.#rate) / 1e9);
  }

  #target() {
    return this.#estimator.target() + this.#margin;
  }

  /** By how much later than luck would allow the frame comes that is due behind all of `ahead`. */
  #delayAt(now) {
    const lucky = this.#estimator.luckyArrival(this.#nanos(this.#next));
    return lucky === null ? this.#target() : now - lucky + this.#nanos(this.#aheadFrames);
  }

  /** Frames of silence before sound starts; starts the timeline where that is fewer than all. */
  #startOffset(now, frames) {
    const head = this.#pieces[0];
    const lucky = head && this.#estimator.luckyArrival(this.#nanos(head.at));
    if (lucky === undefined || lucky === null) return frames;
    const offset = -this.#frames(now - lucky - this.#target());
    if (offset >= frames) return frames;
    this.#next = head.at;
    this.#isPlaying = true;
    this.#starved = 0;
    this.#held = 0;
    // Who joins in the middle of a sound hears it begin softly.
    this.#torn = true;
    return Math.max(offset, 0);
  }

  /** Makes more to play: into `ahead`, or straight into `out`; returns frames of the latter. */
  #step(now, out, into) {
    const head = this.#pieces[0];
    if (head && this.#held > 0) {
      // What was lost is made up for by what stood in for it; only the rest is delay.
      this.#next += Math.min(this.#held, Math.max(head.at - this.#next, 0));
      this.#held = 0;
    }
    if (!head && this.#hasEnded) {
      this.#restart();
      return 0;
    }
    const gap = head ? head.at - this.#next : 0;
    const supply = !head ? 'empty' : gap > 0 ? 'gap' : 'ready';
    const concealed = Math.max(this.#nanos(this.#starved), this.#torn ? 1 : 0);
    const o = {
      now, target: this.#target(), delay: this.#delayAt(now), supply, missing: this.#nanos(gap), concealed,
    };
    const { what, by, effort } = this.#policy.decide(o);
    if (supply === 'ready') this.#delay = o.delay;
    switch (what) {
      case 'skip':
        if (!this.#skip(Math.max(this.#frames(by), 1))) this.#play(into);
        return 0;
      case 'accelerate':
        this.#accelerate(now, this.#frames(this.#policy.limit(o)), effort, into);
        return 0;
      case 'expandAhead':
        this.#expandAhead(now, this.#frames(this.#policy.limit(o)), effort, into);
        return 0;
      case 'normal':
      case 'merge':
        this.#play(into);
        return 0;
      default:
        return this.#expand(out);
    }
  }

  #play(into) {
    this.#decode(into);
    this.#remember();
  }

  #remember() {
    this.#concealer.push(this.#ahead.subarray(0, this.#aheadFrames * this.#channels));
  }

  /** Takes the next piece to the end of `ahead`, blended where it does not follow. */
  #decode(into) {
    const head = this.#pieces.shift();
    if (!head) return;
    this.#queued -= head.frames;
    const skip = Math.max(this.#next - head.at, 0);
    if (skip >= head.frames) return;
    const ch = this.#channels;
    const fresh = this.#ahead.subarray(this.#aheadFrames * ch, (this.#aheadFrames + head.frames - skip) * ch);
    fresh.set(head.samples.subarray(skip * ch));
    if (head.sent !== undefined && skip === 0) this.onbegin(head.sent, into + this.#aheadFrames);
    if (this.#torn || this.#starved > 0) this.#concealer.merge(fresh);
    this.#torn = false;
    this.#starved = 0;
    this.#aheadFrames += head.frames - skip;
    this.#next = head.at + head.frames;
  }

  /** Takes consecutive pieces until a window is full, as far as they are here. */
  #gather(into) {
    do this.#decode(into);
    while (this.#aheadFrames < this.#stretcher.window && this.#pieces[0]?.at <= this.#next);
  }

  #accelerate(now, limit, effort, into) {
    this.#gather(into);
    const before = this.#aheadFrames;
    const frames = Math.min(before, this.#stretcher.window);
    const ch = this.#channels;
    const made = this.#stretcher.accelerate(this.#ahead, frames, limit, effort);
    if (made < frames) {
      this.#ahead.copyWithin(made * ch, frames * ch, before * ch);
      this.#aheadFrames -= frames - made;
      this.stats.removed += frames - made;
      this.#policy.stretched(now);
    }
    this.#remember();
  }

  #expandAhead(now, limit, effort, into) {
    this.#gather(into);
    const [ch, before] = [this.#channels, this.#aheadFrames];
    const frames = Math.min(before, this.#stretcher.window);
    const past = this.#concealer.recent(this.#stretcher.window - frames);
    const played = past.length / ch;
    this.#joined.set(past);
    this.#joined.set(this.#ahead.subarray(0, frames * ch), past.length);
    const all = this.#stretcher.expand(this.#joined, played + frames, played, limit, effort);
    const made = all - played;
    if (made > frames) {
      this.#ahead.copyWithin(made * ch, frames * ch, before * ch);
      this.#ahead.set(this.#joined.subarray(past.length, all * ch));
      this.#aheadFrames += made - frames;
      this.stats.inserted += made - frames;
      this.#policy.stretched(now);
    }
    this.#remember();
  }

  /** Leaves media out: of a gap any length, else whole pieces, of which one stays. */
  #skip(frames) {
    const [from, to] = [this.#next, this.#next + frames];
    if (this.#pieces[0].at > from) {
      this.#next = Math.min(to, this.#pieces[0].at);
    } else {
      while (this.#pieces.length > 1 && this.#pieces[0].at + this.#pieces[0].frames <= to) {
        const piece = this.#pieces.shift();
        this.#queued -= piece.frames;
        this.#next = Math.max(this.#next, piece.at + piece.frames);
      }
    }
    this.stats.skipped += this.#next - from;
    this.#torn ||= this.#next > from;
    return this.#next > from;
  }

  /** Makes up for what is missing, into `out`; returns the frames. */
  #expand(out) {
    const head = this.#pieces[0];
    const frames = Math.min(out.length / this.#channels, head ? head.at - this.#next : Infinity);
    if (this.#starved === 0) this.stats.events += 1;
    this.#concealer.extend(out.subarray(0, frames * this.#channels));
    this.stats.concealed += frames;
    this.#starved += frames;
    if (head) this.#next += frames;
    else this.#held += frames;
    if (this.#starved >= RESYNC_AFTER * this.#rate) {
      this.stats.resyncs += 1;
      this.#wait();
      this.#estimator.reset();
    }
    return frames;
  }

  #pop(out) {
    const ch = this.#channels;
    const frames = Math.min(this.#aheadFrames, out.length / ch);
    out.set(this.#ahead.subarray(0, frames * ch));
    this.#ahead.copyWithin(0, frames * ch, this.#aheadFrames * ch);
    this.#aheadFrames -= frames;
    return frames * ch;
  }

  #restart() {
    this.#pieces.length = 0;
    this.#queued = 0;
    this.#policy.reset();
    this.#wait();
  }

  #wait() {
    if (this.#isPlaying) this.#fading = Math.floor(this.#rate / 100);
    this.#isPlaying = false;
    this.#aheadFrames = 0;
    this.#starved = 0;
    this.#held = 0;
    this.#torn = false;
  }

  /** While nothing plays: what was heard last fades away, then silence. */
  #idle(out) {
    const ch = this.#channels;
    const frames = Math.min(this.#fading, out.length / ch);
    out.fill(0, frames * ch);
    if (frames === 0) return;
    this.#concealer.extend(out.subarray(0, frames * ch));
    const all = Math.floor(this.#rate / 100);
    for (let n = 0; n < frames; n += 1, this.#fading -= 1) {
      for (let c = 0; c < ch; c += 1) out[n * ch + c] *= this.#fading / all;
    }
    if (this.#fading === 0) this.#concealer.reset();
  }
}

/** Seconds of the longest piece that is decided about at once. */
const PIECE = 0.02;
/** Seconds that may wait: past that all of it is given up. */
const MOST = 20;
/** Seconds without a packet after which the next one starts anew. */
const RESYNC_AFTER = 0.5;
const STEPS = 2_000;
