// The tables of streams: what is live, and what has ended.

import { $, clock, h, setText, short, showRows } from '/console/ui.js';

const liveRows = new Map();
const endedRows = new Map();

export const title = (stream) => stream.name || stream.stream_id;

export const segments = (count) => `${count} segment${count === 1 ? '' : 's'}`;

export function formatOf({ rate, channels, codec, format }) {
  const many = { 1: 'mono', 2: 'stereo' }[channels] ?? `${channels} channels`;
  return `${rate / 1000} kHz ${many} ${format ?? codec}`;
}

/** Shows all; `on.open(id)` and `on.listen(id)` are for the buttons. */
export function showStreams(streams, more, chosen, on) {
  const key = (stream) => stream.stream_id;
  const fill = ({ element }, stream) => {
    if (key(stream) === chosen) element.setAttribute('aria-current', 'true');
    else element.removeAttribute('aria-current');
  };
  const show = (body, rows, items, makeRow) => {
    showRows($(body), rows, items, { key, make: (stream) => makeRow(stream, on), fill });
    return items.length;
  };
  const live = show('#live-rows', liveRows, streams.filter((s) => s.is_live), liveRow);
  const ended = show('#ended-rows', endedRows, streams.filter((s) => !s.is_live), endedRow);
  $('#live-table').hidden = live === 0;
  $('#live-empty').hidden = live > 0;
  $('#ended-table').hidden = ended === 0;
  $('#ended-empty').hidden = ended > 0;
  setText($('#live-hint'), live ? String(live) : '');
  setText($('#ended-hint'), more ? `the newest ${ended} of ${ended + more}` : ended ? String(ended) : '');
}

/** What changes all the time, of those that are live. */
export function showLive(live) {
  for (const [id, now] of Object.entries(live)) {
    const row = liveRows.get(id);
    if (!row) continue;
    setText(row.listeners, String(now.listeners));
    setText(row.time, clock(now.seconds));
    setText(row.rate, now.rate ? `${short(now.rate)}B/s` : 'nothing comes');
    row.rate.classList.toggle('soft', !now.rate);
    const lost = now.refused_bytes > 0;
    setText(row.archive, lost ? `${short(now.refused_bytes)}B not kept` : segments(now.chunks));
    row.archive.classList.toggle('error', lost);
    row.meters.forEach((meter, n) => meter.show(now.levels[2 * n] ?? -99, now.levels[2 * n + 1] ?? -99));
  }
}

function names(stream) {
  const name = h('span', { class: 'name' }, title(stream));
  const id = stream.name ? [h('span', { class: 'hint' }, stream.stream_id)] : [];
  return h('td', { class: 'wide' }, name, ...id);
}

function button(label, stream, run, kind = '') {
  const props = { class: `small ${kind}`, 'aria-label': `${label} ${title(stream)}`, onclick: () => run(stream.stream_id) };
  return h('button', props, label);
}

function liveRow(stream, on) {
  // Of many channels the loudest are seen anyway.
  const shown = Math.min(stream.channels, 8);
  const meters = Array.from({ length: shown }, (_, n) => (
    h('level-meter', { label: `Level of ${title(stream)}${stream.channels > 1 ? `, channel ${n + 1}` : ''}` })));
  const cell = (props = {}) => h('td', props);
  const row = {
    meters,
    listeners: cell({ class: 'numbers named', 'data-name': 'listeners' }),
    time: cell({ class: 'numbers' }),
    rate: cell({ class: 'numbers' }),
    archive: cell({ class: 'numbers' }),
  };
  row.element = h('tr', {},
    names(stream),
    h('td', {}, formatOf(stream)),
    h('td', { class: `level wide ${shown > 2 ? 'many' : ''}` }, ...meters),
    row.listeners, row.time, row.rate, row.archive,
    h('td', { class: 'actions' }, button('Listen', stream, on.listen, 'primary'), button('Open', stream, on.open)));
  row.element.dataset.stream = stream.stream_id;
  return row;
}

function endedRow(stream, on) {
  const began = new Date(stream.started * 1000);
  const element = h('tr', {},
    names(stream),
    h('td', {}, formatOf(stream)),
    h('td', { class: 'numbers' }, began.toLocaleString()),
    h('td', { class: 'numbers' }, clock(stream.seconds)),
    h('td', { class: 'numbers spare' }, String(stream.chunks)),
    h('td', { class: 'actions' }, button('Play', stream, on.play, 'primary'), button('Open', stream, on.open)));
  element.dataset.stream = stream.stream_id;
  return { element };
}
