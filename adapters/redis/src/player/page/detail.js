// One session: its picture, what is heard of it here and on the server, what is known of it.

import { $, clock, h, say, sentence, setText } from '/console/ui.js';
import '/picture.js';
import { exactly } from '/picture.js';
import { chips, nameOf, size, when } from '/sessions.js';
import { Listening } from '/sound.js';

export class Detail {
  #page;
  #id = null;
  #session = null;
  #listening = null;
  /** What plays on the server, by session. */
  #server = new Map();
  #shown = 0;
  #again = null;
  #drawing = { at: 0, took: 0, of: -1 };
  #picture = $('#picture');

  /** `page` has `api`, `call`, `socket`, `state()` and `close()`. */
  constructor(page) {
    this.#page = page;
    $('#close').addEventListener('click', page.close);
    $('#play').addEventListener('click', () => this.#playOrPause());
    $('#stop').addEventListener('click', () => this.#silence());
    $('#live').addEventListener('click', () => this.#playLive());
    $('#volume').addEventListener('input', ({ currentTarget }) => {
      if (this.#listening) this.#listening.volume = Number(currentTarget.value);
    });
    $('#server-play').addEventListener('click', () => this.#onServer('play'));
    $('#server-stop').addEventListener('click', () => this.#onServer('stop'));
    $('#wav').addEventListener('click', () => this.#download(''));
    $('#original').addEventListener('click', () => this.#download('format=original'));
    $('#pcm').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#silence();
      this.#load();
    });
    this.#picture.addEventListener('seek', ({ detail }) => this.#play(detail));
  }

  /** Shows another session, or none. */
  show(id, session) {
    this.#silence();
    if (this.#id && this.#id !== id) this.#page.socket.emit('unwatch', { session_id: this.#id });
    this.#id = id;
    this.#session = session ?? null;
    clearTimeout(this.#again);
    this.#again = null;
    $('#detail').hidden = !id;
    if (!id) return;
    $('#pcm').reset();
    this.#head();
    this.#load();
    this.watch();
    $('#detail-title').focus({ preventScroll: true });
    if (matchMedia('(max-width: 1099px)').matches) scrollTo({ top: 0 });
  }

  /** Has the server tell of this session. */
  watch() {
    if (this.#id && this.#mayHave) this.#page.socket.emit('watch', { session_id: this.#id });
  }

  /** The list knows something new of it. */
  learn(session) {
    const before = this.#session;
    this.#session = session;
    this.#head();
    const hasEnded = before?.is_recording && !session.is_recording;
    if (!before || hasEnded || before.authenticated !== session.authenticated) this.#load();
    else if (before.audio_buffer_length === session.audio_buffer_length) return;
    else if (before.has_audio) this.#drawSoon();
    else this.#load();
  }

  gone() {
    this.#note('This session is gone: it has expired, or was removed.');
    $('#live').hidden = true;
  }

  grew({ session_id: id, audio_buffer_length: length, is_recording, gone }) {
    if (id !== this.#id) return;
    if (gone) {
      this.gone();
      return;
    }
    if (this.#session) this.learn({ ...this.#session, audio_buffer_length: length, has_audio: length > 0, is_recording });
  }

  get #mayHave() {
    return !this.#session || this.#session.authenticated || this.#page.state().role === 'operate';
  }

  #path(what, more = '') {
    const asked = new URLSearchParams();
    for (const [name, value] of new FormData($('#pcm'))) if (value) asked.set(name, value);
    const all = [asked.toString(), more].filter(Boolean).join('&');
    return `/api/session/${encodeURIComponent(this.#id)}/${what}${all ? `?${all}` : ''}`;
  }

  #head() {
    const session = this.#session ?? { session_id: this.#id, authenticated: true };
    setText($('#detail-title'), nameOf(session));
    setText($('#detail-id'), this.#id);
    const words = chips(session);
    const key = words.join('|');
    const box = $('#detail-chips');
    if (box.dataset.key !== key) {
      box.dataset.key = key;
      box.replaceChildren(...words.map(([text, kind]) => h('span', { class: `chip ${kind}` }, text)));
    }
    $('#live').hidden = !session.is_recording;
    this.showServer();
    this.#showSound();
  }

  /** Everything about the session, anew. */
  async #load() {
    const mine = (this.#shown += 1);
    const isOwn = () => mine === this.#shown;
    this.#note('');
    for (const list of ['#sound-facts', '#session-facts', '#byte-facts', '#notices']) $(list).replaceChildren();
    setText($('#sound-facts-state'), '');
    this.#picture.show(null, '');
    const session = this.#session;
    const isBroken = Boolean(session?.error);
    $('#audio').hidden = isBroken || !this.#mayHave;
    $('#known-session').hidden = $('#audio').hidden;
    this.#offer(Boolean(session?.has_audio ?? true));
    if (isBroken) {
      this.#note(`This session is broken: ${session.error}`);
      return;
    }
    if (!this.#mayHave) {
      this.#note('This session’s user is not authenticated. Only operators may look at it.');
      return;
    }
    try {
      const told = await this.#page.call('GET', this.#path('info', 'buffer=preview'));
      if (!isOwn()) return;
      this.#showInfo(told);
      this.#offer(told.audio_info.has_audio);
      if (!told.audio_info.has_audio) {
        this.#picture.show(null, session?.is_recording ? 'No audio yet.' : 'This session has no audio.');
        return;
      }
    } catch (error) {
      if (isOwn()) this.#note(`${sentence(error.message)}.`);
      return;
    }
    this.#picture.show(null, 'Drawing…');
    setText($('#sound-facts-state'), 'Listening through it…');
    await Promise.all([this.#draw(mine), this.#analyze(mine)]);
  }

  /** Shows what may be done with audio, where there is any. */
  #offer(hasAudio) {
    for (const part of ['#transport', '#server', '#files', '#raw']) $(part).hidden = !hasAudio;
    for (const part of ['#known-sound', '#known-bytes']) $(part).hidden = !hasAudio || $('#audio').hidden;
  }

  async #analyze(mine) {
    try {
      const { analysis } = await this.#page.call('GET', this.#path('analyze'));
      if (mine !== this.#shown) return;
      setText($('#sound-facts-state'), sentence(analysis.decode_error ?? ''));
      showAnalysis(analysis);
    } catch (error) {
      if (mine === this.#shown) setText($('#sound-facts-state'), sentence(error.message));
    }
  }

  async #draw(mine) {
    const began = performance.now();
    try {
      const told = await this.#page.call('GET', this.#path('picture'));
      if (mine !== this.#shown) return;
      this.#picture.show(told.picture, 'There is nothing to hear in it.');
      this.#drawing = { at: performance.now(), took: performance.now() - began, of: told.audio_buffer_length };
      this.#showSound();
    } catch (error) {
      if (mine !== this.#shown) return;
      this.#picture.show(null, sentence(error.message));
      this.#drawing = { at: performance.now(), took: performance.now() - began, of: -1 };
    }
  }

  /** After it has grown: not so often that the server does nothing else. */
  #drawSoon() {
    if (this.#again !== null) return;
    const pause = Math.max(1000, 6 * this.#drawing.took) - (performance.now() - this.#drawing.at);
    this.#again = setTimeout(async () => {
      const mine = this.#shown;
      if (this.#id && this.#mayHave) await this.#draw(mine);
      this.#again = null;
      if (mine === this.#shown && this.#drawing.of >= 0 && this.#session?.audio_buffer_length > this.#drawing.of) this.#drawSoon();
    }, Math.max(pause, 0));
  }

  #showInfo({ data, audio_info: info, ttl }) {
    const known = new Set(['audio_buffer']);
    const fields = Object.entries(data).filter(([name]) => !known.has(name));
    const text = ([name, value]) => [sentence(name.replaceAll('_', ' ')), name.endsWith('_at') ? when(value) : value, value.length > 30];
    facts($('#session-facts'), [
      ...fields.map(text),
      ['Kept for', ttl === null ? 'good' : clock(ttl)],
      ['Base64', info.base64_valid ? `valid, ${info.length.toLocaleString()} characters` : info.base64_error, !info.base64_valid],
    ]);
  }

  #note(text) {
    const note = $('#detail-note');
    setText(note, text);
    note.hidden = !text;
  }

  // Heard here.

  #play(from, isFromEnd = false) {
    this.#silence();
    const isLive = Boolean(this.#session?.is_recording);
    const url = this.#path('audio', `from=${from.toFixed(3)}${isLive ? '&live=1' : ''}`);
    this.#listening = new Listening(url, { from, isLive, token: this.#page.api.token, volume: Number($('#volume').value) });
    this.#listening.isFromEnd = isFromEnd;
    this.#listening.addEventListener('change', () => this.#showSound());
    this.#showSound();
  }

  #playLive() {
    const isLive = this.#isOn && this.#listening.isFromEnd;
    if (isLive) this.#silence();
    else this.#play(this.#picture.seconds, true);
  }

  get #isOn() {
    return this.#listening !== null && !this.#listening.isOver;
  }

  #playOrPause() {
    if (this.#isOn) {
      this.#listening.pause(!this.#listening.isPaused);
      return;
    }
    const { cursor, seconds } = this.#picture;
    this.#play(cursor < seconds - 0.2 ? cursor : 0);
  }

  #silence() {
    this.#listening?.close();
    this.#listening = null;
    this.#showSound();
  }

  #showSound() {
    const on = this.#isOn ? this.#listening : null;
    const last = this.#listening;
    setText($('#play'), on && !on.isPaused ? 'Pause' : 'Play');
    $('#stop').disabled = !on;
    $('#live').setAttribute('aria-pressed', String(Boolean(on?.isFromEnd)));
    const [word, kind] = SOUND[last?.state] ?? ['silent', ''];
    setText($('#sound'), word);
    $('#sound').className = `chip ${kind}`;
    if (last?.error) {
      this.#note(`${sentence(last.error)}.`);
      last.error = null;
    }
    const at = on ? on.at : null;
    this.#picture.playhead = at;
    const all = Math.max(this.#picture.seconds, at ?? 0);
    setText($('#place'), `${exactly(at ?? this.#picture.cursor)} / ${exactly(all)}`);
  }

  // Heard where the server is.

  async #onServer(what) {
    try {
      const from = what === 'play' && this.#picture.cursor < this.#picture.seconds - 0.2 ? `from=${this.#picture.cursor.toFixed(3)}` : '';
      await this.#page.call('POST', this.#path(what, from));
    } catch (error) {
      say(sentence(error.message), 'bad');
    }
  }

  progress(told) {
    this.#server.set(told.session_id, told);
    this.showServer();
  }

  ended({ session_id: id, success }) {
    this.#server.delete(id);
    if (id === this.#id && success) say('It was played on the server.');
    this.showServer();
  }

  failed({ session_id: id, error }) {
    this.#server.delete(id);
    if (id === this.#id) say(sentence(error), 'bad');
    this.showServer();
  }

  showServer() {
    const has = this.#page.state().audio_available;
    const told = this.#server.get(this.#id);
    $('#server-play').disabled = !has;
    $('#server-play').title = has ? '' : 'The server has no sound device';
    setText($('#server-play'), told ? 'Play there again' : 'Play there');
    $('#server-stop').disabled = !told;
    const bar = $('#server-progress');
    bar.hidden = !told;
    if (told?.duration) bar.value = Math.min(told.position / told.duration, 1);
    else bar.removeAttribute('value');
    const [word, kind] = !has ? ['no sound device', ''] : !told ? ['silent', '']
      : told.trouble ? [told.trouble, 'warn'] : [`playing ${exactly(told.position)}`, 'good'];
    setText($('#server-state'), word);
    $('#server-state').className = `chip ${kind}`;
    $('#server-state').title = told?.speaker ?? '';
  }

  /** A link has no header for a token, so it gets a ticket. */
  async #download(more) {
    try {
      const path = `/api/session/${encodeURIComponent(this.#id)}/ticket`;
      const ticket = this.#page.api.token ? `ticket=${(await this.#page.call('POST', path)).ticket}` : '';
      const link = h('a', { href: this.#path('download', [more, ticket].filter(Boolean).join('&')), download: '' });
      document.body.append(link);
      link.click();
      link.remove();
    } catch (error) {
      say(sentence(error.message), 'bad');
    }
  }
}

function showAnalysis(a) {
  const db = (value) => (value === null || value === undefined ? '–' : `${value.toFixed(1)}`);
  const share = (value) => `${(value * 100).toFixed(value > 0 && value < 0.001 ? 3 : 1)} %`;
  facts($('#sound-facts'), [
    ['Format', [a.container, a.codec].filter(Boolean).join(', '), true],
    ['Length', a.duration === undefined ? '–' : exactly(a.duration)],
    ['Rate', a.rate ? `${a.rate / 1000} kHz` : '–'],
    ['Channels', a.channels ?? '–'],
    ...(a.peak_db === undefined ? [] : [
      ['Peak', `${db(a.peak_db)} dBFS`],
      ['RMS', `${db(a.rms_db)} dBFS`],
      ['Loudness', a.loudness_lufs === null ? '–' : `${db(a.loudness_lufs)} LUFS`],
      ['Clipped', share(a.clipped)],
      ['Silent', share(a.silent)],
      ['DC offset', a.dc_offset.toFixed(4)],
    ]),
  ]);
  $('#notices').replaceChildren(...(a.notices ?? []).map((text) => h('li', {}, sentence(text))));
  facts($('#byte-facts'), [
    ['Decoded', `${a.decoded_length.toLocaleString()} bytes`],
    ['Known by its bytes as', a.detected_format],
    ['Different bytes', a.unique_bytes],
    ['Null bytes', `${a.null_bytes_percentage.toFixed(1)} %`],
    ['Repetitive', a.has_repetitive_pattern ? 'yes' : 'no'],
    ['First bytes', a.first_20_bytes_hex, true],
  ]);
}

/** A list of names and values; wide ones have a line of their own. */
function facts(list, all) {
  list.replaceChildren(...all.map(([name, value, isWide]) => h('div', { class: isWide ? 'wide' : '' },
    h('dt', {}, name), h('dd', {}, String(value)))));
}

const SOUND = {
  loading: ['loading', 'warn'],
  playing: ['playing', 'good'],
  waiting: ['waiting for sound', 'warn'],
  blocked: ['press Play', 'warn'],
  paused: ['paused', ''],
  over: ['the end', ''],
  failed: ['failed', 'bad'],
};
