// The relay's page, as somebody uses it: node relay.mjs URL FOLDER [LISTEN PUBLISH]
// FOLDER is for what is written meanwhile; the tokens, where they are asked for.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inBrowser, until } from './harness.mjs';
import { heard, microphone, sendTone, stretchOf, tap } from './sound.mjs';

const [url, folder, listenToken, publishToken] = process.argv.slice(2);
const args = microphone(join(folder, 'microphone.wav'), 500);

async function call(method, path, body) {
  const headers = publishToken ? { Authorization: `Bearer ${publishToken}` } : {};
  const answer = await fetch(`${url}${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

await inBrowser(async (page, step) => {
  const button = (name) => page.getByRole('button', { name, exact: true });
  const field = (name) => page.getByLabel(name, { exact: true });
  const row = (name) => page.locator('tbody tr').filter({ has: page.getByText(name, { exact: true }) });
  const sound = page.locator('#sound');
  const wave = page.locator('stream-waveform');
  const shot = async (name) => process.env.SHOTS && page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: true });
  /** Two seconds without a gap, at this pitch; a busy machine may take several tries for them. */
  const hears = async (hertz) => {
    let best;
    await until(`two seconds of ${hertz} Hz`, async () => {
      best = await heard(page);
      return best.seconds >= 2 && Math.abs(best.hertz - hertz) < hertz / 500;
    }, 30_000).catch((error) => assert.fail(`${error.message}, but ${JSON.stringify(best)}`));
  };
  await tap(page);

  await step('an empty relay', async () => {
    await page.goto(url);
    if (listenToken) {
      await field('Token').fill('not the right token at all');
      await button('Sign in').click();
      await page.getByText('this is not a token that is known here').waitFor();
      await field('Token').fill(listenToken);
      await button('Sign in').click();
    }
    await page.getByText('connected', { exact: true }).waitFor();
    await page.getByText('Nobody is sending.').waitFor();
    await shot('1-empty');
  });

  const rate = 44_100;
  const { stream_id: id } = await call('POST', '/api/streams', { name: 'A tone', rate });
  const stop = sendTone(url, id, publishToken, 440, rate);

  await step('a stream that comes', async () => {
    await row('A tone').getByText('44.1 kHz mono s16le').waitFor();
    const meter = page.getByRole('meter', { name: 'Level of A tone' });
    await until('its level', async () => Math.abs(Number(await meter.getAttribute('aria-valuenow')) + 12) <= 1);
    await row('A tone').getByText('kB/s').or(row('A tone').getByText(' B/s')).first().waitFor();
  });

  await step('listening live', async () => {
    await button('Listen A tone').click();
    await sound.getByText('live', { exact: true }).waitFor();
    await hears(440);
    await page.locator('#latency').getByText(/\d+ ms from the relay/).waitFor();
    const told = await page.locator('#latency').textContent();
    const latency = Number(/(-?\d+) ms from/.exec(told)[1]);
    assert.ok(latency > 0 && latency < 2000, told);
    await row('A tone').locator('td', { hasText: /^1$/ }).waitFor();
    await shot('2-live');
  });

  await step('an address that can be kept', async () => {
    assert.ok(page.url().endsWith(`#${id}`), page.url());
    await page.reload();
    await page.locator('#detail-title').getByText('A tone').waitFor();
  });

  await step('the waveform', async () => {
    await until('something drawn', () => wave.evaluate((w) => w.drawn > 50));
    const painted = await wave.locator('canvas').evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((x, n) => n % 4 === 3 && x > 0).length / (data.length / 4);
    });
    // A quarter of full scale, up and down.
    assert.ok(painted > 0.15 && painted < 0.45, `${painted} of the waveform is painted`);
  });

  await step('playing from a point', async () => {
    const { width } = await wave.locator('.area').boundingBox();
    await wave.locator('.area').click({ position: { x: width / 4, y: 50 } });
    await sound.getByText('playing', { exact: true }).waitFor();
    await hears(440);
    const at = async () => /^(\d+):(\d+) \/ (\d+):(\d+)/.exec(await page.locator('#place').textContent()).slice(1).map(Number);
    const [, first, , all] = await at();
    assert.ok(first < all, `${first} of ${all}`);
    await button('Pause').click();
    await sound.getByText('paused', { exact: true }).waitFor();
    await button('Play').click();
    await sound.getByText('playing', { exact: true }).waitFor();
    await wave.locator('.area').focus();
    await page.keyboard.press('Home');
    await until('the start', async () => (await at())[1] < 3);
    await hears(440);
    await shot('3-archive');
  });

  await step('publishing', async () => {
    await button('Publish microphone').click();
    await page.getByRole('textbox', { name: 'Name' }).fill('From here');
    await button('Go on air').click();
    if (listenToken) {
      await page.getByText('this token is not for that').waitFor();
      await shot('4-token');
      await button('Cancel').last().click();
      await page.locator('#publisher-error').getByText('not for that').waitFor();
      await button('Go on air').click();
      await field('Token').fill(publishToken);
      await button('Sign in').click();
    }
    await page.getByRole('status').getByText('On air', { exact: true }).waitFor();
    await row('From here').getByText('kHz mono s16le').waitFor();
    const meter = page.getByRole('meter', { name: 'Level of From here' });
    await until('its level there', async () => Math.abs(Number(await meter.getAttribute('aria-valuenow')) + 12) <= 2);
    await button('Listen live').click();
    await sound.getByText('live', { exact: true }).waitFor();
    await hears(500);
    await shot('5-air');
  });

  await step('muting', async () => {
    await button('Mute').click();
    const meter = page.getByRole('meter', { name: 'Level of From here' });
    await until('silence', async () => Number(await meter.getAttribute('aria-valuenow')) <= -60);
    await button('Muted').click();
  });

  await step('going off air', async () => {
    await button('Stop publishing').click();
    await page.getByText('You are off air').waitFor();
    await button('Play From here').waitFor();
    await page.locator('#detail-state').getByText('Ended').waitFor();
    await button('Play From here').click();
    await sound.getByText('playing', { exact: true }).waitFor();
    await hears(500);
  });

  await step('downloading', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), button('Download WAV').click()]);
    assert.equal(download.suggestedFilename(), 'From here.wav');
    const file = join(folder, 'heard.wav');
    await download.saveAs(file);
    const data = readFileSync(file);
    assert.equal(data.toString('latin1', 0, 4), 'RIFF');
    assert.equal(data.readUInt32LE(40), data.length - 44);
    const samples = new Int16Array(data.buffer, data.byteOffset + 44, (data.length - 44) / 2);
    const rateOf = data.readUInt32LE(24);
    const { seconds, hertz } = stretchOf({ rate: rateOf, samples: [...samples].map((x) => x / 32768) });
    assert.ok(seconds > 1 && Math.abs(hertz - 500) < 1, `${seconds} s of ${hertz} Hz`);
  });

  await step('making and ending streams', async () => {
    await button('New stream').click();
    await page.getByRole('textbox', { name: 'Name' }).fill('To be');
    await field('Rate in Hz').fill('96000');
    await shot('6-new');
    await button('Create').click();
    await row('To be').getByText('96 kHz mono s16le').waitFor();
    await row('A tone').getByRole('button', { name: 'Open A tone' }).click();
    await page.locator('#detail-title').getByText('A tone').waitFor();
    await button('End stream').click();
    await page.getByRole('dialog').getByRole('button', { name: 'End stream' }).click();
    await page.getByText('A tone has ended.').waitFor();
    await button('Play A tone').waitFor();
    assert.equal((await call('GET', `/api/streams/${id}`)).is_live, false);
    stop();
  });

  await step('what stands where', async () => {
    for (const element of await page.locator('button:visible, input:visible, select:visible').all()) {
      const name = await element.evaluate((e) => e.getAttribute('aria-label') || e.textContent || e.labels?.[0]?.textContent);
      assert.ok(name?.trim(), await element.evaluate((e) => e.outerHTML));
    }
    await page.emulateMedia({ colorScheme: 'dark' });
    await shot('7-dark');
    await page.setViewportSize({ width: 380, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels stick out on a phone`);
    await shot('8-phone');
  });
}, { args });
process.exit();
