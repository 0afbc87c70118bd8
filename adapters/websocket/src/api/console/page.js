// The relay's page: streams, what is known of one, and what is heard and sent here.

import { Api } from '/console/api.js';
import '/console/meter.js';
import { $, askToken, clock, confirm, h, say, sentence, setText, short } from '/console/ui.js';
import { Clock, Listening, canListen } from '/listen.js';
import { Publishing, whyNot } from '/publish.js';
import { formatOf, segments, showLive, showStreams, title } from '/streams.js';
import '/waveform.js';

const api = new Api(askToken);
const relayClock = new Clock();
const waveform = $('#waveform');
let streams = [];
let more = 0;
let live = {};
/** The stream whose details are shown; also what stands behind # in the address. */
let chosen = location.hash.slice(1) || null;
let listening = null;
let publishing = null;

const stream = (id) => streams.find((s) => s.stream_id === id);
const path = (id, what = '') => `/api/streams/${id}${what}`;

/** Runs something and says what is wrong with it; resolves to whether it went well. */
async function attempt(run, done) {
  try {
    await run();
    if (done) say(done);
    return true;
  } catch (error) {
    say(sentence(error.message), 'bad');
    return false;
  }
}

// What is shown.

function showAll(told) {
  ({ streams, more } = told);
  const count = streams.filter((s) => s.is_live).length;
  setText($('#summary'), `${count} live · ${streams.length - count + more} in the archive`);
  document.title = `${count ? '●' : '○'} ${count} live · audiox relay`;
  refresh();
}

function refresh() {
  showStreams(streams, more, chosen, { open, listen: (id) => play(id, null), play: (id) => play(id, 0) });
  const known = chosen && stream(chosen);
  if (known) showDetail(known);
  // One that was just made is told of within a second.
  else if (chosen && $('#detail').dataset.stream === chosen) close();
}

function showNow(told) {
  live = told;
  showLive(live);
  const now = live[chosen];
  if (now) showFacts(stream(chosen), now);
}

function choose(id) {
  chosen = id;
  history.replaceState(null, '', id ? `#${id}` : location.pathname);
}

function open(id) {
  choose(id);
  refresh();
  const heading = $('#detail-title');
  heading.focus({ preventScroll: true });
  $('#detail').scrollIntoView({ block: 'nearest', behavior: 'smooth' });
}

function close() {
  stop();
  choose(null);
  $('#detail').hidden = true;
  waveform.show(null, api);
  refresh();
}

function showDetail(known) {
  $('#detail').hidden = false;
  $('#detail').dataset.stream = known.stream_id;
  setText($('#detail-title'), title(known));
  const state = $('#detail-state');
  setText(state, known.is_live ? 'Live' : 'Ended');
  state.className = `chip ${known.is_live ? 'good' : ''}`;
  setText($('#detail-hint'), formatOf(known));
  $('#end').hidden = !known.is_live;
  $('#remove').hidden = known.is_live;
  $('#live').hidden = !known.is_live;
  $('#profile').closest('label').hidden = !known.is_live;
  waveform.show(known, api);
  showFacts(known, live[chosen] ?? known);
  showSound();
}

function showFacts(known, now) {
  const began = new Date(known.started * 1000).toLocaleString();
  const archive = `${segments(now.chunks ?? 0)}, ${clock(now.seconds ?? 0)}`;
  const facts = [
    ['Id', known.stream_id],
    ['Began', began],
    ...(known.ended ? [['Ended', new Date(known.ended * 1000).toLocaleString()]] : []),
    ['Archive', archive],
    ...(now.refused_bytes ? [['Not kept', `${short(now.refused_bytes)}B, the archive was full or away`]] : []),
    ...(known.is_live ? [['Listeners', String(now.listeners ?? 0)], ['Rate', `${short(now.rate ?? 0)}B/s`]] : []),
  ];
  const list = $('#facts');
  if (list.children.length !== facts.length) {
    list.replaceChildren(...facts.map(() => h('div', {}, h('dt'), h('dd', { class: 'numbers' }))));
  }
  facts.forEach(([name, value], n) => {
    setText($('dt', list.children[n]), name);
    setText($('dd', list.children[n]), value);
  });
}

// Listening.

function play(id, from) {
  if (chosen !== id) open(id);
  stop();
  const known = stream(id);
  if (!known) return;
  note('');
  if (!canListen()) {
    playPlainly(known, from);
    return;
  }
  listening = new Listening(known, {
    from,
    profile: $('#profile').value,
    volume: Number($('#volume').value),
    token: api.token,
    clock: relayClock,
  });
  listening.addEventListener('change', showSound);
  showSound();
}

/** Without the audio thread, which needs HTTPS: the browser's own player, seconds behind. */
async function playPlainly({ stream_id: id }, from) {
  note('Opened over HTTPS, or from this machine, this page would play with less delay.');
  await attempt(async () => {
    const audio = $('#plain');
    audio.src = await link(id, 'live.wav', from === null ? '' : `from=${from}s`);
    audio.hidden = false;
    await audio.play();
  });
}

function stop() {
  listening?.removeEventListener('change', showSound);
  listening?.close();
  listening = null;
  const audio = $('#plain');
  audio.pause();
  audio.removeAttribute('src');
  audio.hidden = true;
  waveform.playhead = null;
  showSound();
}

function note(text) {
  const box = $('#sound-note');
  setText(box, text);
  box.hidden = !text;
}

function showSound() {
  const on = listening;
  const isHere = on !== null && on.stream.stream_id === chosen && !on.isOver;
  const playing = isHere && !on.isPaused;
  setText($('#play'), playing ? (on.isLive ? 'Stop' : 'Pause') : 'Play');
  $('#live').setAttribute('aria-pressed', String(isHere && on.isLive));
  setText($('#live'), isHere && on.isLive ? 'Listening live' : 'Listen live');
  if (on?.error) note(`${sentence(on.error)}.`);
  const [word, kind] = soundState(on?.stream.stream_id === chosen ? on : null, isHere);
  setText($('#sound'), word);
  $('#sound').className = `chip ${kind}`;
  const known = stream(chosen);
  const all = live[chosen]?.seconds ?? known?.seconds ?? 0;
  const at = isHere ? on.state.at : waveform.cursor;
  setText($('#place'), `${clock(at)} / ${clock(all)}`);
  waveform.playhead = isHere ? at : null;
  showLatency(isHere ? on : null, all);
}

function soundState(on, isHere) {
  if (!isHere) return [on?.error ? 'failed' : on?.isOver ? 'the end' : 'silent', on?.error ? 'bad' : ''];
  if (on.isPaused) return ['paused', ''];
  if (on.state.playing) return [on.isLive ? 'live' : 'playing', 'good'];
  if (!on.isUp) return ['connecting', 'warn'];
  return [on.isLive ? 'waiting for sound' : 'loading', 'warn'];
}

function showLatency(on, all) {
  const text = $('#latency');
  if (!on?.state.playing) {
    setText(text, '');
    return;
  }
  const { state, stats } = on;
  const gaps = stats.events ? ` · ${stats.events} gap${stats.events === 1 ? '' : 's'}` : '';
  if (!on.isLive) {
    setText(text, `${clock(Math.max(all - state.at, 0))} before the end${gaps}`);
    return;
  }
  const latency = on.latency === null ? '' : `${Math.round(on.latency * 1000)} ms from the relay · `;
  setText(text, `${latency}waits ${Math.round(state.target * 1000)} ms${gaps}`);
  const doubt = relayClock.doubt === null ? '' : `, known to ±${(relayClock.doubt * 1000).toFixed(1)} ms`;
  text.title = `From the relay to the ear, with this device's own delay${doubt}. The network calls for ${Math.round(state.target * 1000)} ms; now it is ${Math.round(state.delay * 1000)} ms. Made up: ${Math.round((stats.concealed / on.stream.rate) * 1000)} ms, left out: ${Math.round(((stats.removed + stats.skipped) / on.stream.rate) * 1000)} ms, repeated: ${Math.round((stats.inserted / on.stream.rate) * 1000)} ms.`;
}

$('#play').addEventListener('click', () => {
  const isHere = listening && listening.stream.stream_id === chosen && !listening.isOver;
  if (!isHere) play(chosen, stoppedAt());
  else if (listening.isLive) stop();
  else listening.pause(!listening.isPaused);
});

/** Where to play from: the cursor, and the start where that stands at the end. */
function stoppedAt() {
  const all = live[chosen]?.seconds ?? stream(chosen).seconds ?? 0;
  return waveform.cursor < all - 0.5 ? waveform.cursor : 0;
}

$('#live').addEventListener('click', () => {
  const isLive = listening && !listening.isOver && listening.isLive && listening.stream.stream_id === chosen;
  if (isLive) stop();
  else play(chosen, null);
});
$('#volume').addEventListener('input', ({ currentTarget }) => {
  if (listening) listening.volume = Number(currentTarget.value);
});
$('#profile').addEventListener('change', () => {
  if (listening?.isLive && !listening.isOver) play(chosen, null);
});
waveform.addEventListener('seek', ({ detail }) => play(chosen, detail));

// One stream's buttons.

$('#close').addEventListener('click', close);
$('#end').addEventListener('click', async () => {
  const known = stream(chosen);
  if (await confirm(`End ${title(known)}? It takes no more then; what there is of it stays.`, 'End stream')) {
    await attempt(() => api.send('POST', path(known.stream_id, '/end')), `${title(known)} has ended.`);
  }
});
$('#remove').addEventListener('click', async () => {
  const known = stream(chosen);
  if (await confirm(`Delete ${title(known)} and all that is kept of it? This cannot be undone.`, 'Delete')) {
    stop();
    await attempt(() => api.send('DELETE', path(known.stream_id)), `${title(known)} was deleted.`);
  }
});

/** A link that needs no header: with a listen token for this stream, where tokens are asked for. */
async function link(id, file, query = '', lasts = 60) {
  const parts = query ? [query] : [];
  if (api.token) {
    const { token } = await api.send('POST', path(id, '/tokens'), { expires_in: lasts });
    parts.push(`listen=${token}`);
  }
  return `${path(id)}/${file}${parts.length ? `?${parts.join('&')}` : ''}`;
}

async function download(ending) {
  const known = stream(chosen);
  await attempt(async () => {
    const href = await link(known.stream_id, `audio.${ending}`);
    const name = title(known).replace(/[^\p{L}\p{N} ._-]+/gu, '_');
    const anchor = h('a', { href, download: `${name}.${ending}` });
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
  });
}

$('#wav').addEventListener('click', () => download('wav'));
$('#raw').addEventListener('click', () => download('raw'));
$('#link').addEventListener('click', () => attempt(async () => {
  const href = new URL(await link(chosen, 'live.wav', '', 86_400), location.href).href;
  await navigator.clipboard.writeText(href);
}, `The link plays in any player${api.token ? ', for a day' : ''}; it is in the clipboard.`));

// Publishing.

const publisher = $('#publisher');
const form = $('form', publisher);

$('#publish').addEventListener('click', async () => {
  form.reset();
  const reason = whyNot();
  setText($('#publisher-error'), reason ?? '');
  $('#publisher-start').disabled = Boolean(reason);
  publisher.showModal();
  const devices = reason ? [] : await navigator.mediaDevices.enumerateDevices().catch(() => []);
  const known = devices.filter((d) => d.kind === 'audioinput' && d.label && d.deviceId !== 'default');
  form.elements.device.replaceChildren(
    h('option', { value: '' }, 'The default one'),
    ...known.map((d) => h('option', { value: d.deviceId }, d.label)),
  );
});
$('#publisher-cancel').addEventListener('click', () => publisher.close());
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { name, device, channels, processing } = form.elements;
  const start = $('#publisher-start');
  start.disabled = true;
  setText($('#publisher-error'), '');
  const next = new Publishing(api);
  try {
    await next.start({
      name: name.value.trim(),
      device: device.value,
      channels: Number(channels.value),
      processing: processing.checked,
      token: () => api.token,
    });
    publishing = next;
    publishing.addEventListener('change', showAir);
    const count = Number(channels.value);
    $('#air-meters').replaceChildren(...Array.from({ length: count }, (_, n) => (
      h('level-meter', { label: count > 1 ? `Level of what is sent, channel ${n + 1}` : 'Level of what is sent' }))));
    setText($('#air-title'), name.value.trim() || next.id);
    publisher.close();
    showAir();
    open(next.id);
  } catch (error) {
    setText($('#publisher-error'), sentence(error.message));
  } finally {
    start.disabled = false;
  }
});

function showAir() {
  const on = publishing;
  if (on.isOver) {
    on.removeEventListener('change', showAir);
    $('#air').hidden = true;
    $('#publish').disabled = false;
    if (on.error) say(sentence(on.error), 'bad');
    else say('You are off air; the stream is in the archive.');
    publishing = null;
    return;
  }
  $('#air').hidden = false;
  $('#publish').disabled = true;
  const { up, waiting, dropped, sent } = on.link;
  const [word, kind] = !up ? ['Connecting', 'warn'] : on.isMuted ? ['Muted', 'warn'] : ['On air', 'good'];
  setText($('#air-state'), word);
  $('#air-state').className = `chip ${kind}`;
  const parts = [clock((Date.now() - on.began) / 1000), `${on.rate / 1000} kHz`, `${short(sent)}B sent`];
  if (waiting > 0) parts.push(`${short(waiting)}B wait`);
  if (dropped > 0) parts.push(`${short(dropped)}B lost`);
  setText($('#air-hint'), parts.join(' · '));
  $('#air-mute').setAttribute('aria-pressed', String(on.isMuted));
  setText($('#air-mute'), on.isMuted ? 'Muted' : 'Mute');
  [...$('#air-meters').children].forEach((meter, n) => {
    meter.show(on.levels[2 * n] ?? -99, on.levels[2 * n + 1] ?? -99);
  });
}

$('#air-mute').addEventListener('click', () => (publishing.muted = !publishing.isMuted));
$('#air-stop').addEventListener('click', () => publishing.stop());
addEventListener('beforeunload', (event) => {
  if (publishing) event.preventDefault();
});

// Making a stream for somebody else to send to.

const creator = $('#creator');
const creatorForm = $('form', creator);

$('#create').addEventListener('click', () => {
  creatorForm.reset();
  setText($('#creator-error'), '');
  creator.showModal();
});
$('#creator-cancel').addEventListener('click', () => creator.close());
creatorForm.addEventListener('submit', async (event) => {
  event.preventDefault();
  const { name, rate, channels, format } = creatorForm.elements;
  try {
    const { stream_id: id } = await api.send('POST', '/api/streams', {
      name: name.value.trim() || null,
      rate: Number(rate.value),
      channels: Number(channels.value),
      format: format.value,
    });
    creator.close();
    say(`It is there and waits for a sender: ${id}`);
    choose(id);
  } catch (error) {
    setText($('#creator-error'), sentence(error.message));
  }
});

setText($('#send-hint'), `audiox send mic --to ${location.origin}`);
api.events('/api/events', {
  streams: showAll,
  live: showNow,
  up() {
    setText($('#state'), 'connected');
    $('#state').className = 'chip good';
  },
  down() {
    setText($('#state'), 'No connection');
    $('#state').className = 'chip bad';
  },
});
