// The page of a device server with three devices: kitchen, hall, and one with the name of what every
// object has.

import assert from 'node:assert/strict';
import { inBrowser, until } from './harness.mjs';

const [url, token] = process.argv.slice(2);

await inBrowser(async (page, step) => {
  const button = (name) => page.getByRole('button', { name, exact: true });
  const row = (id) => page.locator(`tr[data-device="${id}"]`);
  const leds = (id) => row(id).locator('.leds').getAttribute('aria-label');
  const state = (id) => row(id).getAttribute('data-state');
  const level = async (id) => Number(await page.getByRole('meter', { name: `Level of ${id}` }).getAttribute('aria-valuenow'));

  await step('signing in', async () => {
    await page.goto(url);
    await page.getByRole('textbox', { name: 'Token' }).fill(token);
    await button('Sign in').click();
    await page.getByText('Serving', { exact: true }).waitFor();
    await page.getByText('3 connected', { exact: false }).waitFor();
    await row('constructor').waitFor();
    assert.ok(!page.url().includes(token));
  });

  await step('pressing a button on behalf of a device', async () => {
    await button('Mode on kitchen').click();
    await until('its LED', async () => /LED 1 #FF00FFFF/.test(await leds('kitchen')));
    assert.equal(await leds('hall'), 'all LEDs dark');
    await button('Play on kitchen').click();
    await until('its sound', async () => (await state('kitchen')) === 'playing');
    await row('kitchen').getByText('bells').waitFor();
    await until('its level', async () => (await level('kitchen')) > -40);
    await button('Stop on kitchen').click();
    await until('silence', async () => (await state('kitchen')) === 'idle');
    await until('no light', async () => !/LED 1/.test(await leds('kitchen')));
    await until('no level', async () => (await level('kitchen')) <= -60);
  });

  await step('the battery', async () => {
    await row('hall').getByTitle('Ask for a report').click();
    await row('hall').getByText('70 %').waitFor();
  });

  await step('an announcement to all', async () => {
    await page.getByLabel('Sound').selectOption('organ');
    await button('Play now').click();
    for (const id of ['kitchen', 'hall']) {
      await until('the sound', async () => (await state(id)) === 'playing');
      await row(id).getByText('organ').waitFor();
    }
    await button('Stop them').click();
    for (const id of ['kitchen', 'hall']) await until('silence', async () => (await state(id)) === 'idle');
  });

  await step('an announcement to one, over what it plays', async () => {
    await page.locator('select[name=to]').selectOption('chosen');
    await button('Play now').click();
    await page.getByText('Tick some devices first.').waitFor();
    await button('Play on hall').click();
    await row('hall').getByText('wake').waitFor();
    await page.getByLabel('Choose hall').check();
    await page.getByLabel('Sound').selectOption('marimba');
    await button('Play now').click();
    await row('hall').getByText('marimba').waitFor();
    assert.equal(await state('kitchen'), 'idle');
    await row('hall').getByText('wake').waitFor();
    await button('Stop on hall').click();
  });

  await step('finding', async () => {
    await page.getByPlaceholder('Find a device').fill('KIT');
    await row('hall').waitFor({ state: 'detached' });
    assert.ok(await row('kitchen').isVisible());
    await page.getByPlaceholder('Find a device').fill('');
    await row('hall').waitFor();
    // It was ticked before, and still is.
    assert.ok(await page.getByLabel('Choose hall').isChecked());
  });

  await step('what stands where', async () => {
    for (const element of await page.locator('button:visible, input:visible, select:visible').all()) {
      const name = await element.evaluate((e) => e.getAttribute('aria-label') || e.textContent || e.labels?.[0]?.textContent);
      assert.ok(name?.trim(), await element.evaluate((e) => e.outerHTML));
    }
    await page.setViewportSize({ width: 380, height: 800 });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wide <= 0, `${wide} pixels stick out on a phone`);
  });
});
