// The session player's page, as somebody uses it: node player.mjs URL FOLDER VIEW OPERATE
// The sessions are those of the demonstration.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inBrowser, until } from './harness.mjs';
import { heard, tap } from './sound.mjs';

const [url, folder, view, operate] = process.argv.slice(2);

await inBrowser(async (page, step) => {
  const button = (name) => page.getByRole('button', { name, exact: true });
  const field = (name) => page.getByLabel(name, { exact: true });
  const row = (id) => page.locator(`tr[data-session="${id}"]`);
  const sound = page.locator('#sound');
  const picture = page.locator('session-picture');
  const shot = async (name, whole = false) => process.env.SHOTS && new Promise((done) => setTimeout(done, 250)).then(() => page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: whole }));
  const facts = async () => Object.fromEntries(await page.locator('#sound-facts > div').evaluateAll((all) => all.map((d) => [d.children[0].textContent, d.children[1].textContent])));
  const drawn = (least) => until('something drawn', () => picture.evaluate((p, n) => p.drawn > n, least));
  const dialogs = [];
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    dialog.dismiss();
  });
  await tap(page);

  await step('signing in', async () => {
    await page.goto(url);
    await field('Token').fill('not the right token at all');
    await button('Sign in').click();
    await page.getByText('this is not a token that is known here').waitFor();
    await field('Token').fill(view);
    await button('Sign in').click();
    await page.getByText('live', { exact: true }).waitFor();
  });

  await step('the list', async () => {
    await row('2b8e90c4-stereo-wav').getByText('Bo (stereo WAV)').waitFor();
    await row('0f3a-not-known').getByText('not authenticated').waitFor();
    await row('not-a-session').getByText('broken').waitFor();
    await row('c4d5-no-audio').getByText('no audio', { exact: true }).waitFor();
    await shot('1-list');
  });

  await step('names are text', async () => {
    assert.equal(await page.locator('img[src="x"]').count(), 0);
    assert.equal(await page.locator('#rows b').count(), 0);
    await page.getByText('<b>Eve</b> (markup)', { exact: true }).waitFor();
    await page.getByText('<img src=x onerror=alert(1)>', { exact: true }).waitFor();
  });

  await step('searching, filtering, sorting', async () => {
    const shown = () => page.locator('#rows tr').evaluateAll((all) => all.map((r) => r.dataset.session));
    const all = (await shown()).length;
    await field('Search').fill('SPEECH');
    await until('fewer', async () => (await shown()).length === 2);
    await field('Search').fill('nobody is called so');
    await page.getByText('No session is like that.').waitFor();
    await field('Search').fill('');
    await page.locator('#filter').selectOption('unknown');
    await until('one', async () => (await shown()).join() === '0f3a-not-known');
    await page.locator('#filter').selectOption('recording');
    await until('one', async () => (await shown()).every((id) => id.startsWith('live-')));
    await page.locator('#filter').selectOption('all');
    await page.locator('#sort').selectOption('largest');
    // What is recorded now may be larger by then.
    await until('the largest first', async () => (await shown()).find((id) => !id.startsWith('live-')) === '2b8e90c4-stereo-wav');
    await page.locator('#sort').selectOption('newest');
    await until('all of them', async () => (await shown()).length >= all);
  });

  await step('a session', async () => {
    await button('Open Bo (stereo WAV), 2b8e90c4-stereo-wav').click();
    await page.locator('#detail-title').getByText('Bo (stereo WAV)').waitFor();
    await drawn(300);
    await until('its figures', async () => (await facts()).Rate === '44.1 kHz');
    const told = await facts();
    assert.equal(told.Length, '00:06.0');
    assert.equal(told.Channels, '2');
    assert.match(told.Format, /WAV.*16-bit PCM/);
    assert.match(told.Loudness, /^-\d+\.\d LUFS$/);
    const coloured = await picture.locator('.spectrum').evaluate((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((x, n) => n % 4 === 0 && x > 60).length / (data.length / 4);
    });
    assert.ok(coloured > 0.02 && coloured < 0.95, `${coloured} of the spectrogram is bright`);
    await shot('2-session');
    await shot('2-session-whole', true);
  });

  await step('playing, pausing, seeking, stopping by keys', async () => {
    const place = async () => /^(\d+):(\d+\.\d)/.exec(await page.locator('#place').textContent()).slice(1).map(Number);
    await button('Play').focus();
    await page.keyboard.press('Enter');
    await sound.getByText('playing', { exact: true }).waitFor();
    await until('it goes on', async () => (await place())[1] > 0.5);
    await until('it is heard', () => page.evaluate(() => heard.blocks.some((b) => b.some((x) => Math.abs(x) > 0.02))));
    await shot('3-playing');
    await button('Pause').click();
    await sound.getByText('paused', { exact: true }).waitFor();
    const [, paused] = await place();
    await new Promise((done) => setTimeout(done, 400));
    assert.equal((await place())[1], paused);
    await button('Play').click();
    await sound.getByText('playing', { exact: true }).waitFor();
    await picture.getByRole('slider').focus();
    await page.keyboard.press('End');
    await page.keyboard.press('ArrowLeft');
    await until('near the end', async () => (await place())[1] >= 5 || await sound.getByText('the end').isVisible());
    await page.keyboard.press('Home');
    await page.keyboard.press('Enter');
    await sound.getByText('playing', { exact: true }).waitFor();
    await button('Stop').click();
    await sound.getByText('silent', { exact: true }).waitFor();
  });

  await step('downloading', async () => {
    const [wav] = await Promise.all([page.waitForEvent('download'), button('Download WAV').click()]);
    assert.equal(wav.suggestedFilename(), 'audio_2b8e90c4-stereo-wav.wav');
    await wav.saveAs(join(folder, 'whole.wav'));
    const data = readFileSync(join(folder, 'whole.wav'));
    assert.equal(data.toString('latin1', 0, 4), 'RIFF');
    assert.ok(data.length > 6 * 44_100 * 4, `${data.length} bytes`);
    const [original] = await Promise.all([page.waitForEvent('download'), button('Download original').click()]);
    assert.equal(original.suggestedFilename(), 'audio_2b8e90c4-stereo-wav.wav');
  });

  await step('markup in an id', async () => {
    await page.getByText('<b>Eve</b> (markup)', { exact: true }).first().click();
    await page.locator('#detail-id').getByText('<img src=x onerror=alert(1)>').waitFor();
    await drawn(20);
    assert.equal(await page.locator('img[src="x"]').count(), 0);
    assert.deepEqual(dialogs, []);
  });

  await step('raw samples as they are said to be', async () => {
    await button('Open Ada (16 kHz PCM), 7c1f6d0a-speech-pcm').click();
    await page.locator('#detail-title').getByText('Ada').waitFor();
    await page.getByText('Read it as raw PCM').click();
    await field('Rate in Hz').fill('8000');
    await page.locator('#pcm select').selectOption('s16le');
    await button('Apply').click();
    await until('twice as long', async () => (await facts()).Length === '00:16.0');
    await shot('4-pcm', true);
  });

  await step('an address that can be kept', async () => {
    assert.ok(page.url().endsWith('#7c1f6d0a-speech-pcm'), page.url());
    await page.reload();
    await page.locator('#detail-title').getByText('Ada').waitFor();
    await drawn(100);
  });

  await step('what is recorded now', async () => {
    await page.getByText('Fay (live)').last().click();
    await drawn(2);
    const seconds = () => picture.evaluate((p) => p.seconds);
    const before = await seconds();
    await until('it grows', async () => (await seconds()) > before + 1, 15_000);
    await button('Listen live').click();
    await sound.getByText('playing', { exact: true }).waitFor();
    const at = await page.locator('#place').textContent();
    await until('it goes on', async () => (await page.locator('#place').textContent()) !== at);
    await shot('5-live');
    await button('Stop').click();
  });

  await step('who is not known is for operators', async () => {
    await button('Open Somebody, 0f3a-not-known').click();
    await page.getByText('Only operators may look at it.').waitFor();
    assert.ok(!await page.locator('#known-sound, #known-session, #known-bytes').filter({ visible: true }).count());
    await shot('6-not-known');
    await button('Operator').click();
    await field('Token').fill(operate);
    await button('Sign in').click();
    await drawn(100);
    await button('Operator ✓').waitFor();
  });

  await step('no audio, and none at all', async () => {
    await button('Open Dana (no audio), c4d5-no-audio').click();
    await page.getByText('This session has no audio.').waitFor();
    await page.locator('#session-facts').getByText('Dana (no audio)').waitFor();
    assert.ok(!await page.locator('#known-sound, #known-bytes, #files, #transport').filter({ visible: true }).count());
    await shot('6-no-audio');
    await row('not-a-session').click();
    await page.getByText('This session is broken: this is a list, not a hash').waitFor();
    await button('Close this session').click();
    await page.locator('#detail').waitFor({ state: 'hidden' });
  });

  await step('what stands where', async () => {
    await button('Open Bo (stereo WAV), 2b8e90c4-stereo-wav').click();
    await drawn(300);
    for (const element of await page.locator('button:visible, input:visible, select:visible, [role=slider]:visible').all()) {
      const name = await element.evaluate((e) => e.getAttribute('aria-label') || e.textContent || e.labels?.[0]?.textContent);
      assert.ok(name?.trim(), await element.evaluate((e) => e.outerHTML));
    }
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width: 1360, height: 900 });
      await shot(`7-desktop-${scheme}`);
      await page.setViewportSize({ width: 380, height: 800 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${wide} pixels stick out on a phone`);
      await shot(`8-phone-${scheme}`, true);
    }
    await button('Close this session').click();
    await row('2b8e90c4-stereo-wav').waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels of the list stick out on a phone`);
    const covered = await page.locator('#rows tr').evaluateAll((all) => all.filter((row) => {
      const [size, open] = ['.size', 'button'].map((part) => row.querySelector(part));
      const text = document.createRange();
      text.selectNodeContents(size);
      const [a, b] = [text, open].map((part) => part.getBoundingClientRect());
      return a.right > b.left && a.bottom > b.top && a.top < b.bottom;
    }).map((row) => row.dataset.session));
    assert.deepEqual(covered, []);
    await shot('9-phone-list-dark', true);
  });
});
process.exit();
