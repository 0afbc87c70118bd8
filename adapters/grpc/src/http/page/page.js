// The devices' page: what the events say is shown; what is pressed is sent.

import { Api } from '/console/api.js';
import '/console/meter.js';
import { $, askToken, clock, h, say, sentence, setText, short, showNotes, showRows } from '/console/ui.js';

const MOST_ROWS = 200;
const api = new Api(askToken);
let now = null;
const rows = new Map();
/** Names of those that are ticked, shown or not. */
const chosen = new Set();

/** Sends something and shows what came of it. */
async function act(path, body, done) {
  try {
    show(await api.send('POST', path, body));
    if (done) say(done);
  } catch (error) {
    say(error.message, 'bad');
  }
}

const path = (id, what) => `/api/devices/${encodeURIComponent(id)}/${what}`;
const isUp = ({ streams }) => streams.status || streams.events || streams.audio;

// What is shown.

function show(state) {
  now = state;
  setText($('#state'), 'Serving');
  $('#state').className = 'chip good';
  setText($('#counts'), `${state.connected} connected · ${state.playing} playing`);
  document.title = `${state.connected} devices · audiox`;
  showSounds(state.sounds);
  showDevices(state.devices);
}

function showSounds(sounds) {
  const select = $('#announce').elements.sound;
  const names = sounds.map(({ name, live }) => `${name}${live ? ' (live)' : ''}`);
  if (select.dataset.shown !== names.join('\n')) {
    select.dataset.shown = names.join('\n');
    const chosen = select.value;
    select.replaceChildren(...sounds.map(({ name }, n) => h('option', { value: name }, names[n])));
    if (sounds.some(({ name }) => name === chosen)) select.value = chosen;
  }
  const troubled = sounds.filter(({ trouble }) => trouble);
  showNotes($('#notes'), troubled.map(({ name, trouble }) => ({ text: `${name} cannot be played: ${trouble}.`, bad: true })));
}

function showDevices(devices) {
  const wanted = $('#find').value.trim().toLowerCase();
  const found = devices.filter(({ id }) => id.toLowerCase().includes(wanted));
  const shown = found.slice(0, MOST_ROWS);
  showRows($('#devices'), rows, shown, { key: ({ id }) => id, make: ({ id }) => makeRow(id), fill });
  setText($('#devices-hint'), wanted ? `${found.length} of ${devices.length}` : String(devices.length));
  $('#empty').hidden = devices.length > 0;
  $('#more').hidden = found.length <= MOST_ROWS;
  setText($('#more'), `${found.length - MOST_ROWS} more: narrow them down above.`);
}

function makeRow(id) {
  const press = (button) => act(path(id, 'press'), { button, event: 'tap' });
  const button = (number, word) => h('button', {
    class: 'small', 'aria-label': `${word} on ${id}`, onclick: () => press(number),
  }, word);
  const choose = ({ currentTarget: { checked } }) => (checked ? chosen.add(id) : chosen.delete(id));
  const row = {
    chosen: h('input', { type: 'checkbox', 'aria-label': `Choose ${id}`, checked: chosen.has(id), onchange: choose }),
    about: h('p', { class: 'hint' }),
    trouble: h('p', { class: 'trouble' }),
    leds: h('span', { class: 'leds', role: 'img' }, ...Array.from({ length: 6 }, () => h('span', { class: 'led' }))),
    plays: h('td'),
    meter: h('level-meter', { label: `Level of ${id}` }),
    battery: h('button', { class: 'small', title: 'Ask for a report', onclick: () => act(path(id, 'ask')) }),
    packets: h('span'),
    streams: h('p', { class: 'hint' }),
  };
  row.element = h('tr', {},
    h('td', {}, row.chosen),
    h('td', { class: 'wide' }, h('span', { class: 'name' }, id), row.about, row.trouble),
    h('td', {}, row.leds),
    row.plays,
    h('td', { class: 'level wide' }, row.meter),
    h('td', {}, row.battery),
    h('td', { class: 'numbers soft spare' }, row.packets, row.streams),
    h('td', { class: 'actions' }, button(2, 'Mode'), button(3, 'Stop'), button(4, 'Play')));
  row.element.dataset.device = id;
  return row;
}

function fill(row, device) {
  const up = isUp(device);
  row.element.classList.toggle('away', !up);
  const since = clock(device.since);
  setText(row.about, up ? `mode ${device.mode} · connected ${since}` : `mode ${device.mode} · away for ${since}`);
  setText(row.trouble, sentence(device.trouble ?? ''));
  row.trouble.hidden = !device.trouble;
  device.leds.forEach((led, n) => {
    const element = row.leds.children[n];
    const lit = Boolean(led) && !led.endsWith('00');
    element.classList.toggle('lit', lit);
    element.style.color = lit ? `#${led}` : '';
  });
  const colours = device.leds.map((led, n) => (led && !led.endsWith('00') ? `LED ${n} #${led}` : '')).filter(Boolean);
  row.leds.setAttribute('aria-label', colours.join(', ') || 'all LEDs dark');
  const plays = {
    playing: `${device.sound} · ${device.position.toFixed(0)} s`, held: `${device.sound} waits`, idle: '–',
  }[device.state];
  setText(row.plays, plays);
  row.element.dataset.state = device.state;
  const { battery } = device;
  setText(row.battery, battery === null ? '?' : battery <= 1 ? `${Math.round(battery * 100)} %` : `${Math.round(battery)} %`);
  row.battery.setAttribute('aria-label', `Battery of ${device.id}: ${row.battery.textContent}`);
  const { status, events, audio } = device.streams;
  const open = [status && 'LEDs', events && 'buttons', audio && 'sound'].filter(Boolean).join(', ') || 'none';
  setText(row.packets, `${short(device.packets)} packets`);
  setText(row.streams, `${device.latest_ms.toFixed(1)} ms late at most, ${short(device.stalls)} stalls, ${short(device.dropped)} dropped`);
  row.packets.title = `open: ${open}; ${device.connects} connects, ${device.presses} presses, ${device.plays} sounds`;
}

function showLevels(levels) {
  // A device may be called as what every object has.
  for (const [id, row] of rows) row.meter.show(...(Object.hasOwn(levels, id) ? levels[id] : [-99, -99]));
}

// What is pressed.

/** Whom the form speaks to; nobody where none is ticked. */
function whom() {
  if ($('#announce').elements.to.value === 'all') return 'all';
  const known = new Set(now?.devices.map(({ id }) => id));
  const ids = [...chosen].filter((id) => known.has(id));
  if (ids.length === 0) say('Tick some devices first.', 'bad');
  return ids;
}

$('#announce').addEventListener('submit', (event) => {
  event.preventDefault();
  const devices = whom();
  const sound = $('#announce').elements.sound.value;
  if (devices.length) act('/api/play', { devices, sound }, `${sentence(sound)} is on its way.`);
});
$('#silence').addEventListener('click', () => {
  const devices = whom();
  if (devices.length) act('/api/stop', { devices });
});
$('#find').addEventListener('input', () => now && showDevices(now.devices));

api.events('/api/events', {
  state: show,
  levels: showLevels,
  down() {
    setText($('#state'), 'No connection');
    $('#state').className = 'chip bad';
    showLevels({});
  },
});
