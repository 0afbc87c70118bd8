// What a page plays, and what is given to it as a microphone.

import { writeFileSync } from 'node:fs';
import { request } from 'node:http';

/** A microphone that hears a tone, for Chromium's arguments. */
export function microphone(file, hertz) {
  const rate = 48_000;
  const data = tone(hertz, rate, 0, 10 * rate, 0.25);
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + data.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(2 * rate, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(data.length, 40);
  writeFileSync(file, Buffer.concat([head, data]));
  return [
    '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${file}`,
  ];
}

/** Samples of a tone, 16-bit, mono. */
function tone(hertz, rate, from, frames, amplitude) {
  const out = Buffer.alloc(2 * frames);
  for (let n = 0; n < frames; n += 1) {
    const turn = (((from + n) * hertz) / rate) % 1;
    out.writeInt16LE(Math.round(Math.sin(2 * Math.PI * turn) * amplitude * 32767), 2 * n);
  }
  return out;
}

/** Sends a tone to a stream at real time, by one request that goes on; returns what ends it. */
export function sendTone(url, id, token, hertz, rate) {
  const post = request(`${url}/api/streams/${id}/audio`, {
    method: 'POST', headers: token ? { Authorization: `Bearer ${token}` } : {},
  });
  post.setNoDelay(true);
  post.on('error', () => {});
  const began = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * rate);
    // Ten milliseconds at a time, however late the timer is.
    for (const frames = rate / 100; sent + frames <= due; sent += frames) {
      post.write(tone(hertz, rate, sent, frames, 0.25));
    }
  }, 5);
  return () => {
    clearInterval(timer);
    post.end();
  };
}

/** Lets a page be heard: what it sends to its speakers is kept. To be called before it is opened. */
export async function tap(page) {
  await page.addInitScript(() => {
    globalThis.heard = { rate: 0, blocks: [] };
    const { connect } = AudioNode.prototype;
    AudioNode.prototype.connect = function (to, ...more) {
      if (to instanceof AudioDestinationNode) {
        const { context } = to;
        const kept = { rate: context.sampleRate, blocks: [] };
        globalThis.heard = kept;
        // On the page's own thread, since no other script gets past its policy; it may be late by
        // a third of a second before something is missed.
        const node = context.createScriptProcessor(16384, 1, 1);
        node.onaudioprocess = ({ inputBuffer }) => kept.blocks.push(inputBuffer.getChannelData(0).slice());
        connect.call(this, node);
        connect.call(node, to);
      }
      return connect.call(this, to, ...more);
    };
  });
}

/** The longest stretch of what was played since the last sound began; worked out in the page. */
export function heard(page) {
  return page.evaluate(`(${stretchOf})({
    rate: heard.rate,
    samples: Float32Array.from(heard.blocks.flatMap((block) => [...block])),
  })`);
}

/** The longest stretch of a sound in which no hundredth of a second is quiet, and its pitch. */
export function stretchOf({ rate, samples }) {
  // Before the page has opened its sound.
  if (rate === 0) return { seconds: 0, hertz: 0 };
  const width = Math.round(rate / 100);
  let [best, from] = [[0, 0], 0];
  for (let at = 0; at + width <= samples.length; at += width) {
    const power = samples.slice(at, at + width).reduce((sum, x) => sum + x * x, 0) / width;
    if (Math.sqrt(power) < 0.7 * 0.25 * Math.SQRT1_2) from = at + width;
    else if (at + width - from > best[1] - best[0]) best = [from, at + width];
  }
  const stretch = samples.slice(...best);
  const rising = [];
  for (let n = 1; n < stretch.length; n += 1) {
    const [a, b] = [stretch[n - 1], stretch[n]];
    if (a < 0 && b >= 0) rising.push(n - b / (b - a));
  }
  const turns = rising.length - 1;
  const hertz = turns > 0 ? (turns * rate) / (rising.at(-1) - rising[0]) : 0;
  return { seconds: stretch.length / rate, hertz };
}
