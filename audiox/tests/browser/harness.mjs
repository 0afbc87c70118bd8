// A headless browser for the tests of pages: its page, a socket to hear with, and steps that say
// what they were when they fail. `scripts/bootstrap.sh test` installs what this needs.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chromium } from 'playwright-core';

const PATIENCE = 8000;
/** What runs in a page has no end of its own: less than the test runner gives a test. */
const WHOLE = 45_000;

/**
 * Runs `test(page, step)` in a fresh profile, with more of Chromium's own `args`; fails too where
 * the page itself complains.
 */
export async function inBrowser(test, { args = [] } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--autoplay-policy=no-user-gesture-required', ...args,
    ],
  });
  let now = 'the start';
  const complaints = [];
  const failed = (why) => console.error(`failed at: ${now}\n${why}\nthe page said: ${complaints.join('; ')}`);
  const end = setTimeout(() => {
    failed(`it had not ended after ${WHOLE} ms`);
    process.exit(1);
  }, WHOLE);
  try {
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    page.setDefaultTimeout(PATIENCE);
    page.on('pageerror', (error) => complaints.push(error.message));
    await test(page, async (what, run) => {
      now = what;
      await run();
    });
    assert.deepEqual(complaints, []);
  } catch (error) {
    failed(error.stack);
    process.exitCode = 1;
  } finally {
    await browser.close();
    clearTimeout(end);
  }
}

/** Waits until `met()` is true. */
export async function until(what, met, patience = PATIENCE) {
  const end = Date.now() + patience;
  while (!(await met())) {
    assert.ok(Date.now() < end, `not within ${patience} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 40));
  }
}

/** A UDP socket on loopback that keeps the newest datagram. */
export class Listener {
  datagrams = 0;
  newest = null;
  #socket = createSocket('udp4');

  async open() {
    this.#socket.on('message', (datagram) => {
      this.datagrams += 1;
      this.newest = datagram;
    });
    this.#socket.bind(0, '127.0.0.1');
    await once(this.#socket, 'listening');
    return this.#socket.address().port;
  }

  /** Waits for a datagram from now on whose 16-bit samples are as wanted. */
  async hears(what, wanted) {
    this.newest = null;
    await until(what, () => this.newest && wanted(peak(this.newest)));
  }

  /** Waits until nothing comes any more. */
  async fallsSilent() {
    let before = -1;
    await until('no more datagrams', async () => {
      const still = before === this.datagrams;
      before = this.datagrams;
      await new Promise((done) => setTimeout(done, 200));
      return still && before === this.datagrams;
    });
  }

  close() {
    this.#socket.close();
  }
}

function peak(datagram) {
  let most = 0;
  for (let at = 0; at + 1 < datagram.length; at += 2) {
    most = Math.max(most, Math.abs(datagram.readInt16LE(at)));
  }
  return most / 32768;
}
