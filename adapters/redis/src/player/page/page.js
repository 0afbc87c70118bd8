// The session player's page: which sessions there are, and one of them in detail.

import { Api } from '/console/api.js';
import { Socket } from '/console/socket.js';
import { $, askToken, say, sentence, setText } from '/console/ui.js';
import { Detail } from '/detail.js';
import { showFewer, showMore, showSessions, tick } from '/sessions.js';

const api = new Api(askToken);
/** Sessions by their ids. */
const sessions = new Map();
let [isAll, isLoading, loads] = [false, true, 0];
let state = { redis_available: true, audio_available: false, role: 'view' };
/** The session in detail; also what stands behind # in the address. */
let chosen = null;
let isDue = false;
let isRefused = false;

/** Calls the server; what it says is wrong is thrown. */
async function call(method, path) {
  const told = await api.send(method, path);
  if (!told.success) throw new Error(told.message);
  return told;
}

const socket = new Socket(() => api.token);
const detail = new Detail({ api, call, socket, state: () => state, close: () => choose(null) });

// What is shown.

function refresh() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    showSessions(sessions, { chosen, isAll, isLoading, open: choose });
    const recording = [...sessions.values()].filter((s) => s.is_recording).length;
    const count = `${sessions.size} session${sessions.size === 1 ? '' : 's'}`;
    setText($('#summary'), `${count} · ${recording} recording`);
    document.title = `${recording ? '●' : '○'} ${count} · audiox`;
  });
}

function showState() {
  const [text, kind] = !socket.isUp ? ['not connected', 'bad']
    : !state.redis_available ? ['Redis is away', 'bad'] : ['live', 'good'];
  setText($('#state'), text);
  $('#state').className = `chip ${kind}`;
  const trouble = $('#trouble');
  trouble.hidden = state.redis_available;
  setText(trouble, state.redis_available ? ''
    : `Redis cannot be reached: ${state.message ?? 'sessions come back when it does'}. The list is as it was last known.`);
  setText($('#sign-in'), state.role === 'operate' ? 'Operator ✓' : 'Operator');
  $('#sign-in').disabled = state.role === 'operate';
  detail.showServer();
}

function learn(row) {
  row.told = performance.now();
  sessions.set(row.session_id, row);
  if (row.session_id === chosen) detail.learn(row);
}

// What is known.

async function load() {
  const mine = (loads += 1);
  const before = new Set(sessions.keys());
  isLoading = true;
  let cursor = null;
  try {
    do {
      const told = await call('GET', `/api/sessions?limit=200${cursor ? `&cursor=${cursor}` : ''}`);
      if (mine !== loads) return;
      const { redis_available, audio_available, role, message } = told;
      state = { redis_available, audio_available, role, message };
      showState();
      if (!redis_available) break;
      for (const row of told.sessions) {
        before.delete(row.session_id);
        learn(row);
      }
      cursor = told.next;
      isAll = cursor === null;
      refresh();
    } while (cursor !== null);
    if (isAll) for (const id of before) sessions.delete(id);
  } catch (error) {
    if (mine === loads) say(sentence(error.message), 'bad');
  }
  if (mine !== loads) return;
  isLoading = false;
  refresh();
  if (isRefused && api.token) socket.restart();
}

function choose(id) {
  if (id === chosen) return;
  chosen = id;
  history.replaceState(null, '', id ? `#${encodeURIComponent(id)}` : location.pathname);
  document.body.classList.toggle('open', Boolean(id));
  detail.show(id, sessions.get(id));
  refresh();
}

function fromAddress() {
  try {
    choose(decodeURIComponent(location.hash.slice(1)) || null);
  } catch {
    choose(null);
  }
}

socket
  .on('up', () => {
    isRefused = false;
    showState();
    // What happened meanwhile was told to nobody.
    load();
    detail.watch();
  })
  .on('down', showState)
  .on('refused', () => {
    isRefused = true;
    // Asks for a token.
    if (!isLoading) load();
  })
  .on('sessions', ({ changed, gone, redis_available, audio_available }) => {
    const isBack = redis_available && !state.redis_available;
    state = { ...state, redis_available, audio_available, message: undefined };
    changed.forEach(learn);
    for (const id of gone) {
      sessions.delete(id);
      if (id === chosen) detail.gone();
    }
    showState();
    refresh();
    if (isBack) load();
  })
  .on('session_grew', (told) => detail.grew(told))
  .on('playback_progress', (told) => detail.progress(told))
  .on('playback_complete', (told) => detail.ended(told))
  .on('playback_error', (told) => detail.failed(told));

for (const control of ['#search', '#filter', '#sort']) {
  $(control).addEventListener('input', () => {
    showFewer();
    refresh();
  });
}
$('#tools').addEventListener('submit', (event) => event.preventDefault());
$('#more').addEventListener('click', () => {
  showMore();
  refresh();
});
$('#reload').addEventListener('click', load);
$('#sign-in').addEventListener('click', async () => {
  const token = await askToken('', true);
  if (!token) return;
  api.token = token;
  socket.restart();
  await load();
  if (state.role !== 'operate') say('That token is not an operator’s.', 'bad');
  else if (chosen) detail.show(chosen, sessions.get(chosen));
});
addEventListener('hashchange', fromAddress);
setInterval(() => tick(sessions, performance.now()), 1000);

await load();
fromAddress();
