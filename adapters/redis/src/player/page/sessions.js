// The list: what is found, in which order, a row each. Whatever comes from the registry is text.

import { $, clock, h, setText, short } from '/console/ui.js';

/** Rows shown before somebody asks for more. */
const STEP = 100;

const rows = new Map();
let shown = STEP;

/** Shows those of `all` (by id) that are asked for. `open(id)` when one is chosen. */
export function showSessions(all, { chosen, isAll, isLoading, open }) {
  const [words, filter, order] = [$('#search').value.trim().toLowerCase(), $('#filter').value, $('#sort').value];
  const found = [...all.values()].filter((s) => FILTERS[filter](s) && has(s, words)).sort(ORDERS[order]);
  const body = $('#rows');
  const wanted = found.slice(0, shown);
  const ids = new Set(wanted.map((s) => s.session_id));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    row.remove();
    rows.delete(id);
  }
  let place = body.firstChild;
  for (const session of wanted) {
    let row = rows.get(session.session_id);
    if (!row) {
      row = newRow(session, open);
      rows.set(session.session_id, row);
    }
    fill(row, session, chosen);
    // Moving a row takes the focus from what is in it.
    if (row === place) place = place.nextSibling;
    else body.insertBefore(row, place);
  }
  const count = found.length === all.size ? `${all.size}` : `${found.length} of ${all.size}`;
  setText($('#list-hint'), `${count}${isAll ? '' : ' so far'}`);
  $('#more').hidden = found.length <= shown;
  setText($('#more'), `Show more (${found.length - shown} left)`);
  $('#loading').hidden = !isLoading || all.size > 0;
  $('#empty').hidden = isLoading || found.length > 0;
  setText($('#empty'), all.size === 0
    ? 'There are no sessions. They appear here as soon as an application stores one.'
    : 'No session is like that. Search for something else, or show all.');
}

/** Counts down what is left of each. */
export function tick(all, since) {
  for (const [id, row] of rows) {
    const session = all.get(id);
    if (session) setText($('.ttl', row), left(session, since));
  }
}

export const showMore = () => { shown += STEP; };
export const showFewer = () => { shown = STEP; };

/** A session's name for people. */
export const nameOf = (session) => session.user_name || 'Unnamed';

/** The bytes that so many characters of Base64 are. */
export const size = (characters) => `${short(Math.floor((characters / 4) * 3))}B`.replace(/^(\d+)B$/, '$1 B');

export const when = (text) => {
  const seconds = Number(text);
  return text && Number.isFinite(seconds) ? new Date(seconds * 1000).toLocaleString() : '–';
};

/** Words about a session's state: text and kind of each chip. */
export function chips(session) {
  if (session.error) return [['broken', 'bad']];
  return [
    ...(session.is_recording ? [['recording', 'good']] : []),
    ...(session.authenticated ? [] : [['not authenticated', 'warn']]),
    ...(session.is_recording || !session.authenticated ? [] : [['finished', '']]),
  ];
}

function newRow(session, open) {
  const name = h('span', { class: 'name' });
  const id = h('span', { class: 'hint' });
  const button = h('button', { class: 'small', onclick: (event) => { event.stopPropagation(); open(session.session_id); } }, 'Open');
  return h('tr', { onclick: () => open(session.session_id) },
    h('td', { class: 'wide' }, name, id),
    h('td', { class: 'state' }),
    h('td', { class: 'numbers size' }),
    h('td', { class: 'numbers since spare' }),
    h('td', { class: 'numbers ttl spare' }),
    h('td', { class: 'actions' }, button));
}

function fill(row, session, chosen) {
  row.dataset.session = session.session_id;
  if (session.session_id === chosen) row.setAttribute('aria-current', 'true');
  else row.removeAttribute('aria-current');
  setText($('.name', row), nameOf(session));
  setText($('.name + .hint', row), session.session_id);
  $('button', row).setAttribute('aria-label', `Open ${nameOf(session)}, ${session.session_id}`);
  const state = $('.state', row);
  const words = chips(session);
  const key = words.join('|');
  if (state.dataset.key !== key) {
    state.dataset.key = key;
    state.replaceChildren(...words.map(([text, kind]) => h('span', { class: `chip ${kind}` }, text)));
  }
  setText($('.size', row), session.error ? '–' : session.has_audio ? size(session.audio_buffer_length) : 'no audio');
  setText($('.since', row), when(session.connected_at));
  setText($('.ttl', row), left(session, performance.now()));
}

function left(session, now) {
  if (session.ttl === null || session.ttl === undefined) return session.error ? '–' : 'kept';
  return clock(Math.max(session.ttl - (now - (session.told ?? now)) / 1000, 0));
}

const has = (session, words) => !words
  || session.session_id.toLowerCase().includes(words)
  || (session.user_name ?? '').toLowerCase().includes(words);

const FILTERS = {
  all: () => true,
  audio: (s) => s.has_audio,
  recording: (s) => s.is_recording,
  authenticated: (s) => s.authenticated,
  unknown: (s) => !s.authenticated && !s.error,
  broken: (s) => Boolean(s.error),
};

const began = (s) => Number(s.connected_at) || 0;
const byId = (a, b) => (a.session_id < b.session_id ? -1 : 1);
const ORDERS = {
  newest: (a, b) => began(b) - began(a) || byId(a, b),
  oldest: (a, b) => began(a) - began(b) || byId(a, b),
  name: (a, b) => nameOf(a).localeCompare(nameOf(b)) || byId(a, b),
  largest: (a, b) => b.audio_buffer_length - a.audio_buffer_length || byId(a, b),
  expires: (a, b) => (a.ttl ?? Infinity) - (b.ttl ?? Infinity) || byId(a, b),
};
