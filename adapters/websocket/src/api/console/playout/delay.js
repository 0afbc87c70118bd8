// How long to wait for packets: audiox-core's `jitter::delay`, line by line, so that both find the
// same target from the same arrivals; tests hold one against the other. See there for the reasons.
// Times in whole nanoseconds; a number holds 104 days of them.

export const PROFILES = {
  interactive: { min: 1, max: 200, start: 10, peaks: 2, quantile: 0.995, memory: 60_000, reorderCost: 10 },
  balanced: { min: 5, max: 500, start: 20, peaks: 1, quantile: 0.995, memory: 60_000, reorderCost: 20 },
  robust: { min: 40, max: 2_000, start: 80, peaks: 1, quantile: 0.998, memory: 120_000, reorderCost: 40 },
};

const MS = 1_000_000;
const INTERVAL = 250 * MS;
const INTERVALS = 32;
const LUCK = 8;
const PEAKS_MAX = 4;
const FARTHEST = 2 ** 51;
const PAUSE = 1_000 * MS;
const INTERRUPTION = 2_000 * MS;
const LONGEST_PACKET = 120 * MS;
const FINEST_STALL = 5 * MS;
const START_INTERVALS = 8;
const REORDER_INTERVALS = 16;
const CONVINCED = 4;

const clamp = (x, least, most) => Math.min(Math.max(x, least), most);

export class DelayEstimator {
  /** `config`: milliseconds, as in PROFILES. */
  constructor(config) {
    this.min = config.min * MS;
    this.max = config.max * MS;
    this.start = config.start * MS;
    this.peaks = config.peaks;
    this.reorderPrice = config.reorderCost * MS * 100;
    this.history = new Forgetting(Math.floor((config.memory * MS) / INTERVAL));
    this.overtaken = new Forgetting(REORDER_INTERVALS);
    this.tolerated = Math.floor(this.history.steadySum() * (1 - config.quantile));
    this.sequence = new Sequence();
    this.recent = new Recent();
    this.last = null;
    this.duration = 0;
    this.tooEarly = 0;
    this.starting = START_INTERVALS;
    this.peak = 0;
    this.floor = this.start;
  }

  /** A packet, in order of arrival: `media` is the media time of its first frame. */
  observe(arrival, seq, media, duration) {
    const place = this.sequence.place(seq);
    if (place === KNOWN) return;
    const offset = clamp(arrival - media, -FARTHEST, FARTHEST);
    this.duration = clamp(duration, 0, LONGEST_PACKET);
    const last = this.last;
    this.last = arrival;
    if (last === null) {
      this.recent.anchor(offset, Infinity);
      this.#settle();
    } else {
      this.#pass(last, arrival, offset);
    }

    const limit = this.#limit();
    if (this.recent.luckiest - offset > limit) {
      this.tooEarly += 1;
      if (this.tooEarly < CONVINCED) return;
      this.recent.anchor(offset, Infinity);
      this.#settle();
    }
    this.tooEarly = 0;
    if (this.recent.note(offset)) this.#rank();

    const delay = offset - this.recent.luckiest;
    if (delay > limit) return;
    const { now, latest, overtaken } = this.recent;
    if (place === OVERTAKEN) {
      overtaken[now] = Math.max(overtaken[now], offset);
      this.overtaken.add(delay);
    } else {
      this.overtaken.add(0);
      if (offset > latest[now]) {
        latest[now] = offset;
        if (offset > this.peak) this.#rank();
      }
    }
  }

  /** How much later than the luckiest packet's a frame is best played. */
  target() {
    return Math.min(Math.max(this.needed(), this.min), this.max);
  }

  /** The target without minimum and maximum. */
  needed() {
    const recent = this.peak - this.recent.luckiest;
    return Math.max(recent + this.#headroom(recent), this.floor, 0);
  }

  /** When the luckiest packet of the last 2 s would have brought the frame of this media time. */
  luckyArrival(media) {
    return this.last === null ? null : Math.max(this.recent.luckiest + media, 0);
  }

  /** Another timeline over the same network. */
  reset() {
    this.sequence = new Sequence();
    this.last = null;
    this.tooEarly = 0;
  }

  #pass(last, arrival, offset) {
    const ended = Math.floor(arrival / INTERVAL) - Math.floor(last / INTERVAL);
    if (ended > 0) this.#endIntervals(ended, arrival - last, offset);
  }

  #endIntervals(ended, gap, offset) {
    const limit = this.#limit();
    for (let n = Math.min(ended, PAUSE / INTERVAL); n > 0; n -= 1) {
      const latest = this.recent.step();
      this.history.fade();
      this.overtaken.fade();
      const delay = latest - this.recent.luckiest;
      if (delay >= 1 && delay <= limit) this.history.add(delay);
      this.starting = Math.max(this.starting - 1, 0);
    }
    if (gap > PAUSE) this.recent.anchor(offset, Math.floor(gap / 2_000));
    this.recent.expire(limit);
    this.#settle();
  }

  #rank() {
    const [highest, ranked] = this.recent.lateness(this.peaks, this.#limit());
    this.peak = this.recent.luckiest + ranked;
    return highest;
  }

  #settle() {
    const limit = this.#limit();
    const highest = this.#rank();
    const recurring = this.history.level(this.tolerated);
    this.floor = recurring;
    if (recurring > 2 * highest) {
      this.history.clear();
      this.floor = 0;
    }
    const needed = this.recent.overtakenDelay(limit);
    if (needed > 0) {
      const reordering = this.overtaken.cheapest(this.reorderPrice, 100 * ONE);
      this.floor = Math.max(this.floor, Math.min(reordering, needed + this.#headroom(needed)));
    }
    if (this.starting > 0) this.floor = Math.max(this.floor, this.start);
  }

  #headroom(delay) {
    const finest = Math.min(delay, this.duration, FINEST_STALL);
    return Math.max(Math.trunc(delay / 32), Math.trunc(finest / 2));
  }

  #limit() {
    return Math.max(2 * this.max, INTERRUPTION);
  }
}

/** The last eight seconds, a quarter second each: extremes of offsets, arrival less media time. */
class Recent {
  earliest = new Array(INTERVALS).fill(Infinity);
  latest = new Array(INTERVALS).fill(-Infinity);
  overtaken = new Array(INTERVALS).fill(-Infinity);
  now = 0;
  luckiest = 0;
  since = INTERVALS;
  slack = 0;

  anchor(offset, slack) {
    const by = clamp(offset - this.luckiest, -slack, slack);
    this.step();
    this.since = 0;
    this.slack = Infinity;
    this.earliest.fill(Infinity);
    this.#moveTo(this.luckiest + by);
    this.slack = slack + by;
  }

  note(offset) {
    this.earliest[this.now] = Math.min(this.earliest[this.now], offset);
    return offset < this.luckiest && this.#moveTo(offset);
  }

  #moveTo(luckiest) {
    const by = luckiest - this.luckiest;
    this.luckiest = luckiest;
    const moves = this.since < LUCK && this.slack > 0;
    if (moves) this.#moveOlder(Math.max(by, -this.slack));
    return moves;
  }

  #moveOlder(by) {
    this.slack += by;
    for (let age = this.since + 1; age < INTERVALS; age += 1) {
      const at = (this.now + INTERVALS - age) % INTERVALS;
      for (const offsets of [this.latest, this.overtaken]) {
        if (offsets[at] !== -Infinity) offsets[at] = clamp(offsets[at] + by, -FARTHEST, FARTHEST);
      }
    }
  }

  /** Begins the next interval; gives back the latest offset of the one that is now too old. */
  step() {
    this.now = (this.now + 1) % INTERVALS;
    this.since = Math.min(this.since + 1, INTERVALS);
    const old = this.latest[this.now];
    this.earliest[this.now] = Infinity;
    this.latest[this.now] = -Infinity;
    this.overtaken[this.now] = -Infinity;
    return old;
  }

  expire(limit) {
    let earliest = Infinity;
    for (let age = 0; age < LUCK; age += 1) {
      earliest = Math.min(earliest, this.earliest[(this.now + INTERVALS - age) % INTERVALS]);
    }
    if (earliest === Infinity) return;
    if (earliest - this.luckiest > limit) this.anchor(earliest, Infinity);
    else this.luckiest = earliest;
  }

  lateness(rank, limit) {
    const top = new Array(PEAKS_MAX).fill(0);
    for (const latest of this.latest) {
      let delay = latest - this.luckiest;
      if (delay > limit || delay <= top[PEAKS_MAX - 1]) continue;
      for (let place = 0; place < PEAKS_MAX; place += 1) {
        if (delay > top[place]) [top[place], delay] = [delay, top[place]];
      }
    }
    return [top[0], top[clamp(rank, 1, PEAKS_MAX) - 1]];
  }

  overtakenDelay(limit) {
    let most = 0;
    for (const overtaken of this.overtaken) {
      const delay = overtaken - this.luckiest;
      if (delay <= limit && delay > most) most = delay;
    }
    return most;
  }
}

const ONE = 2 ** 20;
const HEAVIEST = ONE * 2 ** 19;
const RATE = 2 ** 24;
const UNIT = 2 ** 16;
const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
const BUCKETS = (19 - SUB_BITS + 1) * SUB;

/** A histogram of delays whose older entries weigh less. */
class Forgetting {
  constructor(fades) {
    this.weights = new Float64Array(BUCKETS);
    this.sum = 0;
    this.top = 0;
    this.rate = Math.floor((2 * RATE) / (2 * clamp(fades, 1, 2 ** 20) + 1));
  }

  steadySum() {
    return Math.floor((ONE * RATE) / this.rate);
  }

  add(delay) {
    const bucket = bucketOf(delay);
    if (this.weights[bucket] < HEAVIEST) {
      this.weights[bucket] += ONE;
      this.sum += ONE;
    }
    this.top = Math.max(this.top, bucket);
  }

  fade() {
    this.sum = 0;
    for (let bucket = 0; bucket <= this.top; bucket += 1) {
      const weight = this.weights[bucket];
      // In two parts, each of which a number holds exactly.
      const high = Math.floor(weight / RATE);
      const low = weight - high * RATE;
      this.weights[bucket] = weight - high * this.rate - Math.ceil((low * this.rate) / RATE);
      this.sum += this.weights[bucket];
    }
    while (this.top > 0 && this.weights[this.top] === 0) this.top -= 1;
  }

  clear() {
    this.weights.fill(0);
    this.sum = 0;
    this.top = 0;
  }

  level(weight) {
    if (this.sum <= weight) return 0;
    let above = 0;
    for (let bucket = this.top; bucket >= 0; bucket -= 1) {
      above += this.weights[bucket];
      if (above > weight) return endOf(bucket);
    }
    return 0;
  }

  cheapest(price, least) {
    let [best, bestCost, above] = [0, Infinity, 0];
    for (let bucket = this.top; bucket >= 0; bucket -= 1) {
      const weight = this.weights[bucket];
      if (weight === 0 && bucket > 0) continue;
      const delay = bucket === 0 ? 0 : endOf(bucket);
      const cost = delay + share(price, above, Math.max(this.sum, least));
      if (cost <= bestCost) [best, bestCost] = [delay, cost];
      above += weight;
    }
    return best;
  }
}

/** ⌊a · b ÷ c⌋, exactly. */
function share(a, b, c) {
  if (a * b <= Number.MAX_SAFE_INTEGER) return Math.floor((a * b) / c);
  return Number((BigInt(a) * BigInt(b)) / BigInt(c));
}

function bucketOf(delay) {
  if (delay <= 0) return 0;
  const value = Math.min(Math.floor(delay / UNIT), 2 ** 30);
  if (value < 2 * SUB) return value;
  const shift = 31 - Math.clz32(value) - SUB_BITS;
  return Math.min(shift * SUB + (value >> shift), BUCKETS - 1);
}

function endOf(bucket) {
  const next = bucket + 1;
  if (next < 2 * SUB) return next * UNIT;
  const shift = Math.floor(next / SUB) - 1;
  return (next - shift * SUB) * 2 ** shift * UNIT;
}

const NEWEST = 0;
const OVERTAKEN = 1;
const KNOWN = 2;
const WORDS = 32;
const WIDTH = 32 * WORDS;

/** Which packets came out of order, and which came twice. */
class Sequence {
  highest = null;
  seen = new Uint32Array(WORDS);
  strays = 0;

  place(seq) {
    if (this.highest === null) return this.#start(seq);
    if (seq > this.highest) {
      if (seq - this.highest >= WIDTH) this.seen.fill(0);
      else for (let n = this.highest + 1; n <= seq; n += 1) this.seen[word(n)] &= ~(1 << n % 32);
      return this.#start(seq);
    }
    if (this.highest - seq < WIDTH) return this.#mark(seq) ? OVERTAKEN : KNOWN;
    this.strays += 1;
    if (this.strays < CONVINCED) return KNOWN;
    this.seen.fill(0);
    return this.#start(seq);
  }

  #start(seq) {
    this.highest = seq;
    this.#mark(seq);
    return NEWEST;
  }

  #mark(seq) {
    const bit = (1 << seq % 32) >>> 0;
    const isNew = (this.seen[word(seq)] & bit) === 0;
    this.seen[word(seq)] |= bit;
    this.strays = 0;
    return isNew;
  }
}

const word = (seq) => Math.floor(seq / 32) % WORDS;
