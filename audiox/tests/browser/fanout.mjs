// The fan-out's page, as somebody uses it: node fanout.mjs URL TOKEN BYTES

import assert from 'node:assert/strict';
import { Listener, inBrowser, until } from './harness.mjs';

const [url, token, bytes] = process.argv.slice(2);
const listener = new Listener();
const port = await listener.open();

await inBrowser(async (page, step) => {
  const row = page.locator('tr[data-client="Stage left"]');
  const button = (name) => page.getByRole('button', { name, exact: true });
  const field = (name) => page.getByLabel(name, { exact: true });
  const level = async () => Number(await row.getByRole('meter').getAttribute('aria-valuenow'));

  await step('a token in the URL', async () => {
    const answer = await page.goto(`${url}?token=${token}`);
    assert.equal(answer.status(), 400);
    assert.match(await answer.text(), /does not belong in a URL/);
  });

  await step('the page without a token', async () => {
    assert.equal((await page.goto(url)).status(), 200);
    await field('Token').fill('not the right token at all');
    await button('Sign in').click();
    await page.getByText('this is not a token that is known here').waitFor();
    await field('Token').fill(token);
    await button('Sign in').click();
    await page.getByText('Streaming', { exact: true }).waitFor();
    assert.ok(!page.url().includes(token));
  });

  await step('the channels', async () => {
    const meter = page.getByRole('meter', { name: 'Channel 2', exact: true });
    await until('a level', async () => Number(await meter.getAttribute('aria-valuenow')) > -20);
    assert.equal(await page.locator('#channels level-meter').count(), 3);
  });

  await step('adding', async () => {
    await button('Add client').click();
    await field('Name').fill('Stage left');
    await field('Address or host name').fill('127.0.0.1');
    await field('Port').fill(String(port));
    await field('Channels, the first is 0').fill('99');
    await page.locator('#editor-save').click();
    await page.locator('#editor-error').getByText('0 to 63').waitFor();
    await field('Channels, the first is 0').fill('2');
    await page.locator('#editor-save').click();
    await row.getByText('channel 2').waitFor();
    await listener.hears('its channel', (peak) => Math.abs(peak - 0.25) < 0.01);
    assert.equal(listener.newest.length, Number(bytes));
    await until('a level', async () => (await level()) > -14);
  });

  await step('a name that is taken', async () => {
    await button('Add client').click();
    await field('Name').fill('Stage left');
    await field('Address or host name').fill('127.0.0.1');
    await page.locator('#editor-save').click();
    await page.locator('#editor-error').getByText('already').waitFor();
    await button('Cancel').click();
  });

  await step('changing', async () => {
    await button('Edit Stage left').click();
    await field('Gain in dB').fill('-20');
    await page.locator('#editor-save').click();
    await row.getByText('-20 dB').waitFor();
    await listener.hears('less', (peak) => Math.abs(peak - 0.025) < 0.002);
    await until('the level falls', async () => (await level()) < -30);
  });

  await step('muting', async () => {
    await button('Mute Stage left').click();
    await listener.hears('silence', (peak) => peak === 0);
    await until('the level falls', async () => (await level()) < -45);
    assert.equal(await button('Mute Stage left').getAttribute('aria-pressed'), 'true');
    await button('Mute Stage left').click();
    await listener.hears('sound again', (peak) => peak > 0.02);
    await until('a level', async () => (await level()) > -35);
  });

  await step('saving', async () => {
    await page.getByText('not saved').waitFor();
    await button('Save').click();
    await page.getByText('The list is saved.').waitFor();
    await page.getByText('not saved').waitFor({ state: 'detached' });
  });

  await step('stopping and starting', async () => {
    await button('Stop').click();
    await page.getByText('Stopped', { exact: true }).waitFor();
    await listener.fallsSilent();
    assert.ok(await row.isVisible());
    await button('Start').click();
    await listener.hears('sound again', (peak) => peak > 0.02);
  });

  await step('removing', async () => {
    await button('Remove Stage left').click();
    await button('Remove').click();
    await row.waitFor({ state: 'detached' });
    await listener.fallsSilent();
  });

  await step('loading', async () => {
    await button('Load').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Load' }).click();
    await row.getByText('-20 dB').waitFor();
    await listener.hears('sound again', (peak) => peak > 0.02);
  });

  await step('what stands where', async () => {
    for (const element of await page.locator('button:visible, input:visible').all()) {
      const name = await element.evaluate((e) => e.getAttribute('aria-label') || e.textContent || e.labels?.[0]?.textContent);
      assert.ok(name?.trim(), await element.evaluate((e) => e.outerHTML));
    }
    await page.setViewportSize({ width: 380, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels stick out on a phone`);
  });
});
listener.close();
