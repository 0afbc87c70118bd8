// The page's playout of a tone over networks of every kind: what is heard must be a tone.

import assert from 'node:assert/strict';
import { Timeline } from '../../src/api/console/playout/timeline.js';

const RATE = 48_000;
const QUANTUM = 128;
const PACKET = 480;
const HERTZ = 441;
const TURN = (2 * Math.PI * HERTZ) / RATE;

/** A seeded generator, 0 to 1. */
function dice(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * Plays `seconds` of a tone whose packets are sent by a clock `ppm` fast and come `late(n)`
 * seconds later, in order, or not at all where that is null.
 */
function play({ seconds, ppm = 0, late, channels = 1 }) {
  const timeline = new Timeline({ rate: RATE, channels, profile: 'balanced' });
  const packets = [];
  let last = 0;
  for (let n = 0; n * PACKET < (seconds + 1) * RATE; n += 1) {
    const wait = late(n);
    if (wait === null) continue;
    const sent = ((n + 1) * PACKET) / RATE / (1 + ppm / 1e6);
    last = Math.max(last, sent + wait);
    packets.push({ n, arrival: last });
  }
  const heard = new Float32Array(seconds * RATE);
  const delays = [];
  const block = new Float32Array(QUANTUM * channels);
  let next = 0;
  for (let at = 0; at + QUANTUM <= heard.length; at += QUANTUM) {
    const now = Math.round((at / RATE) * 1e9);
    for (; next < packets.length && packets[next].arrival * 1e9 <= now; next += 1) {
      const { n } = packets[next];
      const samples = Float32Array.from({ length: PACKET * channels }, (_, i) => (
        0.25 * Math.sin(TURN * (n * PACKET + Math.floor(i / channels)))));
      timeline.insert(now, { seq: n, at: n * PACKET, samples, sent: 0 });
    }
    timeline.fill(now, block);
    for (let i = 0; i < QUANTUM; i += 1) heard[at + i] = block[i * channels];
    delays.push(timeline.state.delay);
  }
  return { heard, delays, stats: timeline.stats, state: timeline.state };
}

/** The greatest departure from a tone between two times, of 0.25 that it is loud. */
function worst(heard, from, to) {
  let most = 0;
  for (let n = from * RATE + 1; n < to * RATE - 1; n += 1) {
    most = Math.max(most, Math.abs(heard[n + 1] - 2 * Math.cos(TURN) * heard[n] + heard[n - 1]));
  }
  return most;
}

/** The quietest hundredth of a second. */
function quietest(heard, from, to) {
  let least = 1;
  for (let at = from * RATE; at + 480 <= to * RATE; at += 480) {
    const power = heard.subarray(at, at + 480).reduce((sum, x) => sum + x * x, 0) / 480;
    least = Math.min(least, Math.sqrt(power));
  }
  return least;
}

const LOUD = 0.25 * Math.SQRT1_2;
const highest = (list, from, to) => Math.max(...list.slice((from * RATE) / QUANTUM, (to * RATE) / QUANTUM));

const scenarios = {
  'a perfect network'() {
    const { heard, delays, stats } = play({ seconds: 10, late: () => 0, channels: 2 });
    assert.deepEqual([stats.events, stats.skipped, stats.late], [0, 0, 0]);
    assert.ok(worst(heard, 3, 10) < 1e-4, `${worst(heard, 3, 10)}`);
    assert.ok(highest(delays, 5, 10) < 0.02, `${highest(delays, 5, 10)}`);
  },
  'jitter of 30 ms'() {
    const roll = dice(1);
    const { heard, delays, stats } = play({ seconds: 30, late: () => 0.03 * roll() });
    assert.ok(stats.events <= 4, `${stats.events} gaps`);
    assert.ok(worst(heard, 10, 30) < 1e-3, `${worst(heard, 10, 30)}`);
    assert.ok(quietest(heard, 3, 30) > 0.8 * LOUD);
    assert.ok(highest(delays, 10, 30) < 0.06, `${highest(delays, 10, 30)}`);
  },
  'a clock that is fast'() {
    const { heard, delays, stats } = play({ seconds: 120, ppm: 300, late: () => 0 });
    assert.equal(stats.events, 0);
    assert.ok(stats.removed > 0.02 * RATE && stats.skipped === 0, JSON.stringify(stats));
    assert.ok(highest(delays, 5, 120) < 0.03, `${highest(delays, 5, 120)}`);
    assert.ok(worst(heard, 3, 120) < 1e-3, `${worst(heard, 3, 120)}`);
  },
  'a clock that is slow'() {
    const { heard, stats } = play({ seconds: 120, ppm: -300, late: () => 0 });
    assert.ok(stats.events <= 1, `${stats.events} gaps`);
    assert.ok(stats.inserted > 0.02 * RATE, JSON.stringify(stats));
    assert.ok(worst(heard, 3, 120) < 1e-3, `${worst(heard, 3, 120)}`);
    assert.ok(quietest(heard, 3, 120) > 0.9 * LOUD);
  },
  'a stall of 300 ms'() {
    const { heard, delays, stats } = play({ seconds: 30, late: (n) => (n >= 500 && n < 530 ? 0.3 : 0) });
    assert.equal(stats.events, 1);
    assert.ok(highest(delays, 6, 9) > 0.15);
    assert.ok(highest(delays, 20, 30) < 0.04, `${highest(delays, 20, 30)}`);
    assert.ok(worst(heard, 0.1, 30) < 1e-3, `${worst(heard, 0.1, 30)}`);
    assert.ok(quietest(heard, 6, 30) > 0.9 * LOUD);
  },
  'two seconds that are missing'() {
    const { heard, state, stats } = play({ seconds: 20, late: (n) => (n >= 500 && n < 700 ? null : 0) });
    assert.equal(stats.resyncs, 1);
    assert.ok(state.playing && quietest(heard, 8, 20) > 0.9 * LOUD);
    assert.ok(worst(heard, 0.1, 20) < 1e-3, `${worst(heard, 0.1, 20)}`);
  },
  'a burst of ten seconds'() {
    // All of it at once, as from a file: what is live is the end of it.
    const { heard, state } = play({ seconds: 20, late: (n) => Math.max(0, 10 - (n + 1) / 100) });
    assert.ok(state.playing && state.queued < 0.3, JSON.stringify(state));
    assert.ok(quietest(heard, 13, 20) > 0.9 * LOUD);
  },
};

for (const [name, run] of Object.entries(scenarios)) {
  try {
    run();
  } catch (error) {
    console.error(name, error);
    process.exitCode = 1;
  }
}
console.log(`${Object.keys(scenarios).length} scenarios`);
