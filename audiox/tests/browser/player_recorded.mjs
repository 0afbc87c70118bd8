// A session that a browser recorded, on the session player's page: node player_recorded.mjs URL HERTZ

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { inBrowser, until } from './harness.mjs';
import { heard, tap } from './sound.mjs';

const [url, hertz] = process.argv.slice(2);

await inBrowser(async (page, step) => {
  const button = (name) => page.getByRole('button', { name, exact: true });
  const shot = async (name) => process.env.SHOTS && page.screenshot({ path: join(process.env.SHOTS, `${name}.png`) });
  await tap(page);

  await step('it is listed and drawn', async () => {
    await page.goto(url);
    await button('Open Ann, browser').click();
    await page.locator('#sound-facts').getByText('Opus').waitFor();
    await until('something drawn', () => page.locator('session-picture').evaluate((p) => p.drawn > 100));
    await shot('recorded');
  });

  await step('it is heard', async () => {
    await button('Play').click();
    let best;
    await until(`${hertz} Hz`, async () => {
      best = await heard(page);
      return best.seconds >= 1 && Math.abs(best.hertz - hertz) < 2;
    }, 15_000).catch((error) => assert.fail(`${error.message}, but ${JSON.stringify(best)}`));
  });
});
process.exit();
