// The fan-out's page: what the events say is shown; what is pressed is sent.

import { Api } from '/console/api.js';
import '/console/meter.js';
import { $, askToken, clock, confirm, h, say, sentence, setText, short, showNotes, showRows } from '/console/ui.js';

const api = new Api(askToken);
let now = null;
const channels = [];
const rows = new Map();

/** Sends something and shows what came of it; resolves to whether it went well. */
async function act(method, path, body, done) {
  try {
    const state = await api.send(method, path, body);
    if (state?.clients) show(state);
    if (done) say(done);
    return true;
  } catch (error) {
    say(error.message, 'bad');
    return false;
  }
}

const path = (name) => `/api/clients/${encodeURIComponent(name)}`;
const picks = (fields) => fields.channels ?? [fields.channel];

// What is shown.

function show(state) {
  now = state;
  const running = state.state === 'running';
  const [word, kind] = {
    running: ['Streaming', 'good'], stopped: ['Stopped', ''],
    ended: ['The source has ended', 'warn'], failed: ['Failed', 'bad'],
  }[state.state] ?? [state.state, ''];
  setText($('#state'), word);
  $('#state').className = `chip ${kind}`;
  const rate = state.rate ? `${state.rate} Hz, ` : '';
  setText($('#source'), `${state.source} · ${rate}${state.chunk} frames a datagram`);
  setText($('#elapsed'), running ? clock(state.elapsed) : '');
  document.title = `${running ? '▶' : '■'} ${state.source} · audiox fan-out`;
  const toggle = $('#toggle');
  toggle.disabled = false;
  setText(toggle, running ? 'Stop' : 'Start');
  toggle.classList.toggle('primary', !running);

  showNotices(state);
  showChannels(state);
  showClients(state);
}

function showNotices(state) {
  const notes = state.notices.map((notice) => ({ text: `${sentence(notice)}.` }));
  const { path: file, error } = state.file;
  if (error) notes.push({ text: `${file}: ${error}. The list before it stays in force.`, bad: true });
  if (state.state === 'failed') notes.push({ text: `${sentence(state.reason)}.`, bad: true });
  if (state.frames_missing > 0) notes.push({ text: `${short(state.frames_missing)} frames came too late from the source and were sent as silence.` });
  if (state.frames_skipped > 0) notes.push({ text: `${short(state.frames_skipped)} frames were left out because this machine was held up.` });
  showNotes($('#notes'), notes);
}

function showChannels(state) {
  const count = state.levels.length;
  if (channels.length !== count) {
    channels.length = 0;
    for (let n = 0; n < count; n += 1) {
      const meter = h('level-meter', { class: 'upright', label: `Channel ${n}` });
      channels.push({ meter, box: h('div', { class: 'channel' }, meter, String(n)) });
    }
    $('#channels').replaceChildren(...channels.map((c) => c.box));
  }
  $('#scaled').hidden = count === 0;
  setText($('#channels-hint'), count ? '' : 'shown while it streams');
  const used = new Map();
  for (const { fields } of state.clients) {
    for (const pick of picks(fields)) used.set(Number(pick), (used.get(Number(pick)) ?? 0) + 1);
  }
  channels.forEach(({ box }, n) => {
    box.classList.toggle('used', used.has(n));
    box.title = used.has(n) ? `channel ${n}: clients ${used.get(n)}` : `channel ${n}: nobody`;
  });
}

function showClients(state) {
  showRows($('#clients'), rows, state.clients, { key: ({ name }) => name, make: ({ name }) => makeRow(name), fill });
  const { path: file, unsaved } = state.file;
  $('#save').hidden = $('#load').hidden = !file;
  $('#save').classList.toggle('primary', unsaved);
  const count = state.clients.length;
  setText($('#clients-hint'), [String(count), file, unsaved && 'not saved'].filter(Boolean).join(' · '));
  $('#empty').hidden = count > 0;
}

function makeRow(name) {
  const row = {
    trouble: h('p', { class: 'trouble' }),
    address: h('td', { class: 'numbers' }),
    gets: h('td'),
    meter: h('level-meter', { label: `Level of ${name}` }),
    sent: h('td', { class: 'numbers soft spare' }),
    mute: h('button', { class: 'small', 'aria-label': `Mute ${name}`, onclick: () => mute(name) }, 'Mute'),
  };
  const edit = { class: 'small', 'aria-label': `Edit ${name}`, onclick: () => openEditor(name) };
  const drop = { class: 'small', 'aria-label': `Remove ${name}`, onclick: () => remove(name) };
  row.element = h('tr', {},
    h('td', { class: 'wide' }, h('span', { class: 'name' }, name), row.trouble),
    row.address, row.gets,
    h('td', { class: 'level wide' }, row.meter),
    row.sent,
    h('td', { class: 'actions' }, row.mute, h('button', edit, 'Edit'), h('button', drop, 'Remove')));
  row.element.dataset.client = name;
  return row;
}

function fill(row, { fields, muted, trouble, datagrams, dropped, refused, streaming }) {
  setText(row.trouble, sentence(trouble ?? ''));
  row.trouble.hidden = !trouble;
  const host = String(fields.ip ?? fields.host ?? '?');
  setText(row.address, host.includes(':') ? `[${host}]:${fields.port}` : `${host}:${fields.port}`);
  const format = fields.codec ?? (fields.rtp ? 'L16' : '');
  const gain = fields.gain ? `${fields.gain > 0 ? '+' : ''}${fields.gain} dB` : '';
  const which = picks(fields);
  const name = `${which.length > 1 ? 'channels' : 'channel'} ${which.join(', ')}`;
  setText(row.gets, [name, format && `RTP ${format}`, gain].filter(Boolean).join(' · '));
  setText(row.sent, short(datagrams));
  row.sent.title = `${datagrams} datagrams sent, ${dropped} dropped here, ${refused} refused there`;
  row.element.classList.toggle('muted', muted);
  row.element.dataset.streaming = streaming;
  row.mute.setAttribute('aria-pressed', muted);
  setText(row.mute, muted ? 'Muted' : 'Mute');
}

function showLevels({ channels: ins, clients }) {
  channels.forEach(({ meter }, n) => meter.show(ins[2 * n] ?? -99, ins[2 * n + 1] ?? -99));
  if (clients.length !== 2 * (now?.clients.length ?? 0)) return;
  now.clients.forEach(({ name }, n) => rows.get(name)?.meter.show(clients[2 * n], clients[2 * n + 1]));
}

// What is pressed.

const client = (name) => now.clients.find((c) => c.name === name);

const mute = (name) => act('PATCH', path(name), { mute: client(name).muted ? null : true });

async function remove(name) {
  if (await confirm(`Remove ${name}? It gets nothing any more.`, 'Remove')) {
    await act('DELETE', path(name), undefined, `${name} was removed.`);
  }
}

const editor = $('#editor');
const form = $('form', editor);

function openEditor(name) {
  form.reset();
  $('#editor-error').textContent = '';
  const known = name === undefined ? null : client(name);
  const fields = known?.fields ?? { port: 57001, channel: firstFree() };
  setText($('#editor-title'), known ? `Change ${name}` : 'Add a client');
  setText($('#editor-save'), known ? 'Save changes' : 'Add client');
  form.elements.name.value = name ?? '';
  form.elements.name.readOnly = Boolean(known);
  form.elements.ip.value = fields.ip ?? fields.host ?? '';
  form.elements.port.value = fields.port;
  form.elements.channels.value = picks(fields).join(', ');
  form.elements.gain.value = fields.gain ?? '';
  const format = fields.codec ?? (fields.rtp ? 'L16' : '');
  const select = form.elements.format;
  if (![...select.options].some((o) => o.value === format)) {
    select.append(h('option', { value: format }, `RTP, ${format}`));
  }
  select.value = format;
  form.elements.mute.checked = known?.muted ?? false;
  editor.dataset.client = name ?? '';
  editor.showModal();
  (known ? form.elements.ip : form.elements.name).focus();
}

/** The first channel that nobody gets. */
function firstFree() {
  const used = new Set(now.clients.flatMap(({ fields }) => picks(fields).map(Number)));
  const free = channels.findIndex((_, n) => !used.has(n));
  return Math.max(free, 0);
}

function entered() {
  const value = (name) => form.elements[name].value.trim();
  const numbers = value('channels').split(/[\s,]+/).filter(Boolean).map(Number);
  const format = value('format');
  // What is as it would be anyway is left out, so that plain lists stay plain.
  return {
    ip: value('ip'),
    port: Number(value('port')),
    ...(numbers.length === 1 ? { channel: numbers[0] } : { channels: numbers }),
    rtp: format ? true : null,
    codec: format && format !== 'L16' ? format : null,
    gain: Number(value('gain')) || null,
    mute: form.elements.mute.checked || null,
  };
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const name = editor.dataset.client;
  const fields = entered();
  try {
    if (name) {
      show(await api.send('PATCH', path(name), fields));
    } else {
      const given = Object.entries(fields).filter(([, value]) => value !== null);
      const added = form.elements.name.value.trim();
      show(await api.send('POST', '/api/clients', { name: added, ...Object.fromEntries(given) }));
    }
    editor.close();
  } catch (error) {
    setText($('#editor-error'), error.message);
  }
});

$('#editor-cancel').addEventListener('click', () => editor.close());
$('#add').addEventListener('click', () => openEditor());
$('#save').addEventListener('click', () => act('POST', '/api/fanout/save', undefined, 'The list is saved.'));
$('#load').addEventListener('click', async () => {
  const question = 'Load the list from its file? What was changed since is lost.';
  if (!now.file.unsaved || await confirm(question, 'Load')) {
    await act('POST', '/api/fanout/load', undefined, 'The list is as in its file.');
  }
});
$('#toggle').addEventListener('click', async ({ currentTarget: button }) => {
  button.disabled = true;
  await act('POST', `/api/fanout/${now.state === 'running' ? 'stop' : 'start'}`);
  button.disabled = false;
});

$('#import').addEventListener('click', () => $('#file').click());
$('#file').addEventListener('change', async ({ currentTarget: input }) => {
  const [file] = input.files;
  const count = now.clients.length;
  const question = `Put ${file.name} in place of the ${count} clients that are here?`;
  if (count === 0 || await confirm(question, 'Replace')) {
    await act('PUT', '/api/clients', await file.text(), `${file.name} is in force.`);
  }
  input.value = '';
});
$('#export').addEventListener('click', async () => {
  try {
    const list = await api.send('GET', '/api/clients');
    const url = URL.createObjectURL(new Blob([JSON.stringify(list, null, 4)], { type: 'application/json' }));
    h('a', { href: url, download: 'clients.json' }).click();
    URL.revokeObjectURL(url);
  } catch (error) {
    say(error.message, 'bad');
  }
});

api.events('/api/events', {
  state: show,
  levels: showLevels,
  down() {
    setText($('#state'), 'No connection');
    $('#state').className = 'chip bad';
    showLevels({ channels: [], clients: [] });
  },
});
