// What to do next: audiox-core's `jitter::policy`, line by line; tests hold one against the other.
// Times in nanoseconds.

const MS = 1_000_000;
const COMFORT_AFTER = 150 * MS;
const URGENT = 100 * MS;
const PRESSING = 20 * MS;
const PAUSE_GENTLE = 120 * MS;
const PAUSE_PRESSING = 50 * MS;

export const SLACK_ABOVE = 5 * MS;
export const SLACK_BELOW = 2 * MS;
/** Delay above the greatest allowed one that is still played fast rather than left out. */
export const SKIP_BEYOND_MAX = 200 * MS;

export class PlayoutPolicy {
  #lastStretch = null;

  constructor({ slackAbove, slackBelow, skipAbove }) {
    this.slackAbove = slackAbove;
    this.slackBelow = slackBelow;
    this.skipAbove = skipAbove;
  }

  /**
   * `supply` is 'ready', 'gap' (of `missing`) or 'empty'. The answer is what to do, and for
   * 'skip' by how much, for 'accelerate' and 'expandAhead' with which effort.
   */
  decide(o) {
    const excess = o.delay - o.target;
    if (o.supply === 'empty') {
      return { what: o.concealed >= COMFORT_AFTER ? 'comfortNoise' : 'expand' };
    }
    if (o.supply === 'gap') {
      const by = Math.min(excess, o.missing);
      return excess > this.#above(o) && by > 0 ? { what: 'skip', by } : { what: 'expand' };
    }
    if (o.delay > this.skipAbove && excess > URGENT) return { what: 'skip', by: excess };
    if (o.concealed > 0) return { what: 'merge' };
    return this.#stretch(o, excess);
  }

  /** Tells that the sound was shortened or lengthened at `now`, successfully. */
  stretched(now) {
    this.#lastStretch = now;
  }

  reset() {
    this.#lastStretch = null;
  }

  /** The most by which a decision to stretch may change the length. */
  limit(o) {
    const excess = o.delay - o.target;
    return excess > 0 ? excess : this.#above(o) - excess;
  }

  #above(o) {
    return Math.max(this.slackAbove, Math.trunc(o.target / 6));
  }

  #stretch(o, excess) {
    const rested = (pause) => {
      const since = o.now - this.#lastStretch;
      return this.#lastStretch === null || since < 0 || since >= pause;
    };
    const effort = (distance) => {
      if (distance >= PRESSING && rested(PAUSE_PRESSING)) return 'normal';
      return rested(PAUSE_GENTLE) ? 'gentle' : null;
    };
    let what = 'normal';
    let how = null;
    if (excess > this.#above(o)) {
      what = 'accelerate';
      how = excess >= URGENT ? 'urgent' : effort(excess);
    } else if (-excess > Math.max(this.slackBelow, Math.trunc(o.target / 16))) {
      what = 'expandAhead';
      how = effort(-excess);
    }
    return how === null ? { what: 'normal' } : { what, effort: how };
  }
}
