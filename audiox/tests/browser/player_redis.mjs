// The session player's page while Redis goes away and comes back: node player_redis.mjs URL

import { inBrowser } from './harness.mjs';

const [url] = process.argv.slice(2);
const patience = { timeout: 30_000 };

await inBrowser(async (page, step) => {
  await step('a session', async () => {
    await page.goto(url);
    await page.locator('tr[data-session="one"]').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
  });
  await step('Redis goes away', async () => {
    await page.getByText('Redis is away', { exact: true }).waitFor(patience);
    await page.getByRole('alert').getByText('Redis cannot be reached').waitFor();
    // What was known is still shown.
    await page.locator('tr[data-session="one"]').waitFor();
  });
  await step('and comes back', async () => {
    await page.getByText('live', { exact: true }).waitFor(patience);
    await page.locator('tr[data-session="two"]').waitFor(patience);
    await page.locator('tr[data-session="one"]').waitFor({ state: 'detached', ...patience });
  });
});
process.exit();
