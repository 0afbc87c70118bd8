// The page's estimator and policy over what audiox-core's were fed, and whether they say the same:
// node vectors.mjs VECTORS.json

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { DelayEstimator, PROFILES } from '../../src/api/console/playout/delay.js';
import { PlayoutPolicy } from '../../src/api/console/playout/policy.js';

const { delay, policy: decisions } = JSON.parse(readFileSync(process.argv[2], 'utf8'));

for (const { profile, packets } of delay) {
  const estimator = new DelayEstimator(PROFILES[profile]);
  packets.forEach(([at, seq, media, duration, ...said], n) => {
    estimator.observe(at, seq, media, duration);
    const says = [estimator.target(), estimator.needed(), estimator.luckyArrival(media)];
    assert.deepEqual(says, said, `${profile}, packet ${n}`);
  });
}

const MS = 1_000_000;
const policy = new PlayoutPolicy({ slackAbove: 5 * MS, slackBelow: 2 * MS, skipAbove: 700 * MS });
const kinds = new Set();
decisions.forEach(([now, target, wait, supply, missing, concealed, what, more, limit], n) => {
  const o = { now, target, delay: wait, supply, missing, concealed };
  const decided = policy.decide(o);
  assert.deepEqual([decided.what, decided.effort ?? decided.by ?? null], [what, more], `decision ${n}`);
  assert.equal(policy.limit(o), limit, `limit ${n}`);
  if (decided.effort) policy.stretched(now);
  kinds.add(what + (decided.effort ?? ''));
});
assert.equal(kinds.size, 10, [...kinds].join());
console.log(`${delay.length} streams, ${decisions.length} decisions`);
