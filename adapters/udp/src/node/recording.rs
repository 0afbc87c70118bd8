//! Many streams on one time line: where every frame goes, and when it is safe to write it.
//!
//! Told the time, like the core: it opens no file and asks no clock. Position 0 is the first
//! frame of the earliest stream known when the window first closes. A stream that is mapped by
//! sender reports is placed by its capture times, any other by the arrival of its first packet;
//! from then on its own timestamps rule, so what was sent without loss is recorded without a
//! seam.

use std::time::Duration;

use audiox_core::format::{SampleFormat, SampleRate, StreamFormat};
use audiox_core::packet::PacketMeta;
use audiox_core::time::{ClockMap, Instant, NtpTime};

use super::lane::{Lane, LaneId};
use super::track::Part;

/// Takes what a [`Recording`] has finished.
pub(super) trait Output {
    /// The error of a full disk and the like.
    type Error;

    /// A track of its own begins with this format at position 0 of its file.
    fn open(
        &mut self,
        track: usize,
        format: StreamFormat,
        stored: SampleFormat,
    ) -> Result<(), Self::Error>;

    /// The next frames of a track, interleaved.
    fn write(&mut self, track: usize, samples: &[f32]) -> Result<(), Self::Error>;

    /// A packet that begins at frame `at` of a track, where packets are kept; before the samples
    /// of the same place.
    fn packet(&mut self, _track: usize, _at: i64, _packet: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Whether streams share a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each stream is a track of its own.
    Separate,
    /// Streams known when the window first closes are channels of track 0, with room for as many
    /// more as make up `reserve` streams like the first; any later stream is a track of its own.
    Joined {
        /// Streams to make room for.
        reserve: usize,
    },
}

#[derive(Debug)]
pub(super) struct Recording {
    layout: Layout,
    hold: Duration,
    wall: (Instant, NtpTime),
    lanes: Vec<Lane>,
    /// Where each lane goes, by index.
    places: Vec<Option<Place>>,
    tracks: Vec<OpenTrack>,
    /// Local time of position 0, once the window has closed for the first time.
    epoch: Option<i64>,
    mix: Box<[f32]>,
}

/// A lane's place in the output: a range of channels of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) track: usize,
    pub(super) first_channel: usize,
}

#[derive(Debug)]
struct OpenTrack {
    rate: SampleRate,
    channels: usize,
    used_channels: usize,
    written: i64,
}

impl Recording {
    /// An empty recording. `hold` is how long a frame waits for stragglers before it is written;
    /// `wall` pairs the local clock with the wall clock.
    pub(super) fn new(layout: Layout, hold: Duration, wall: (Instant, NtpTime)) -> Self {
        Self {
            layout,
            hold,
            wall,
            lanes: Vec::new(),
            places: Vec::new(),
            tracks: Vec::new(),
            epoch: None,
            mix: vec![0.0; MIX_SAMPLES].into_boxed_slice(),
        }
    }

    /// The lane of a source, if it has one.
    pub(super) fn known(&mut self, id: LaneId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|l| l.id == id)
    }

    /// Lanes that hold a window of audio in memory.
    pub(super) fn live(&self) -> usize {
        self.lanes.iter().filter(|l| !l.track.is_released()).count()
    }

    /// The lane of a source, made from its first packet where it is new.
    pub(super) fn lane(
        &mut self,
        id: LaneId,
        meta: &PacketMeta,
        format: StreamFormat,
        stored: SampleFormat,
        raw: bool,
    ) -> &mut Lane {
        let index = match self.lanes.iter().position(|l| l.id == id) {
            Some(i) => i,
            None => {
                let window = self.hold + 2 * CLOCK_TOLERANCE;
                self.lanes
                    .push(Lane::new(id, meta, format, stored, window, raw));
                self.places.push(None);
                self.lanes.len() - 1
            }
        };
        &mut self.lanes[index]
    }

    /// A source's clock became known.
    pub(super) fn mapped(&mut self, id: LaneId, map: &ClockMap) {
        let wall = self.wall;
        if let Some(lane) = self.lanes.iter_mut().find(|l| l.id == id) {
            lane.mapped(map, wall, CLOCK_TOLERANCE);
        }
    }

    /// A source ended: nothing more is waited for.
    pub(super) fn ended(&mut self, id: LaneId, now: Instant) {
        if let Some(lane) = self.lanes.iter_mut().find(|l| l.id == id) {
            lane.ended.get_or_insert(now);
        }
    }

    /// Writes everything whose window has closed at `now`.
    pub(super) fn flush<O: Output>(&mut self, now: Instant, out: &mut O) -> Result<(), O::Error> {
        if !self.open(now, out)? {
            return Ok(());
        }
        self.settle(now, out)?;
        self.write(out, |lane, hold, epoch| {
            if lane.is_over(now) {
                i64::MAX
            } else {
                lane.due(now, hold, epoch)
            }
        })?;
        for lane in &mut self.lanes {
            if lane.is_over(now) && lane.is_written() {
                lane.track.release();
            }
        }
        Ok(())
    }

    /// Writes everything that is left.
    pub(super) fn finish<O: Output>(&mut self, now: Instant, out: &mut O) -> Result<(), O::Error> {
        let later = now + self.hold + 2 * CLOCK_TOLERANCE;
        if self.open(later, out)? {
            self.settle(later, out)?;
            self.write(out, |_, _, _| i64::MAX)?;
        }
        Ok(())
    }

    /// The lanes with their places, in the order of their first packets.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (&Lane, Option<Place>)> {
        self.lanes.iter().zip(self.places.iter().copied())
    }

    /// The lanes, to read and reset their peaks.
    pub(super) fn lanes_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut()
    }

    /// Tracks opened, with their frames so far.
    pub(super) fn tracks(&self) -> impl Iterator<Item = u64> + '_ {
        self.tracks.iter().map(|t| t.written.max(0) as u64)
    }

    /// Local time of position 0; `None` before the window first closes.
    pub(super) fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// How long the recording waits at its start for more streams, and each stream for its
    /// sender's clock: longer than the window, so that reports may be lost.
    fn settling(&self) -> Duration {
        (4 * self.hold).min(self.hold + CLOCK_TOLERANCE)
    }

    /// Closes the window for the first time: fixes position 0 and the joined layout.
    fn open<O: Output>(&mut self, now: Instant, out: &mut O) -> Result<bool, O::Error> {
        if self.epoch.is_some() {
            return Ok(true);
        }
        let Some(first) = self.lanes.iter().map(|l| l.first_arrival).min() else {
            return Ok(false);
        };
        if now.saturating_since(first) < self.settling() {
            return Ok(false);
        }
        let Some(epoch) = self.lanes.iter().map(Lane::earliest).min() else {
            return Ok(false);
        };
        self.epoch = Some(epoch);
        for lane in &mut self.lanes {
            lane.settle(epoch);
        }
        if let Layout::Joined { reserve } = self.layout {
            // Streams of one sender are numbered in its order; of several, by time.
            let mut order: Vec<usize> = (0..self.lanes.len()).collect();
            order.sort_by_key(|i| {
                let lane = &self.lanes[*i];
                (lane.id.port, lane.start, lane.ssrc, lane.id.source)
            });
            let rate = self.lanes[order[0]].format.rate;
            let mut channels = 0;
            let mut stored = self.lanes[order[0]].stored;
            order.retain(|i| self.lanes[*i].format.rate == rate);
            for i in &order {
                let more = self.lanes[*i].format.channels.get();
                if channels + more > MAX_CHANNELS {
                    continue;
                }
                self.places[*i] = Some(Place {
                    track: 0,
                    first_channel: channels,
                });
                channels += more;
                stored = widest(stored, self.lanes[*i].stored);
            }
            let used_channels = channels;
            let like_first = self.lanes[order[0]].format.channels.get();
            let spare = reserve.saturating_sub(order.len()) * like_first;
            channels = (channels + spare).min(MAX_CHANNELS);
            self.open_track(rate, channels, used_channels, stored, out)?;
        }
        Ok(true)
    }

    /// Gives lanes that came since their place.
    fn settle<O: Output>(&mut self, now: Instant, out: &mut O) -> Result<(), O::Error> {
        let Some(epoch) = self.epoch else {
            return Ok(());
        };
        let settling = self.settling();
        for i in 0..self.lanes.len() {
            let lane = &mut self.lanes[i];
            let waited = now.saturating_since(lane.first_arrival) >= settling;
            if lane.start.is_none() && (waited || lane.captured.is_some() || lane.is_over(now)) {
                lane.settle(epoch);
            }
            if lane.start.is_none() || self.places[i].is_some() {
                continue;
            }
            let (format, stored) = (lane.format, lane.stored);
            let spare = match (self.layout, self.tracks.first_mut()) {
                (Layout::Joined { .. }, Some(t))
                    if t.rate == format.rate
                        && t.used_channels + format.channels.get() <= t.channels =>
                {
                    t.used_channels += format.channels.get();
                    Some(t.used_channels - format.channels.get())
                }
                _ => None,
            };
            let place = match spare {
                Some(first_channel) => Place {
                    track: 0,
                    first_channel,
                },
                None => {
                    let n = format.channels.get();
                    let track = self.open_track(format.rate, n, n, stored, out)?;
                    Place {
                        track,
                        first_channel: 0,
                    }
                }
            };
            self.places[i] = Some(place);
        }
        Ok(())
    }

    fn open_track<O: Output>(
        &mut self,
        rate: SampleRate,
        channels: usize,
        used_channels: usize,
        stored: SampleFormat,
        out: &mut O,
    ) -> Result<usize, O::Error> {
        let track = self.tracks.len();
        let count = audiox_core::format::Channels::new(channels as u16)
            .unwrap_or(audiox_core::format::Channels::MONO);
        out.open(track, StreamFormat::new(rate, count), stored)?;
        self.tracks.push(OpenTrack {
            rate,
            channels,
            used_channels,
            written: 0,
        });
        Ok(track)
    }

    /// Writes each track up to the least that its lanes allow, and no farther than any of them
    /// has audio.
    fn write<O: Output>(
        &mut self,
        out: &mut O,
        due: impl Fn(&Lane, Duration, i64) -> i64,
    ) -> Result<(), O::Error> {
        let epoch = self.epoch.unwrap_or(0);
        for track in 0..self.tracks.len() {
            let mut until = i64::MAX;
            let mut audio_end = 0;
            for (lane, place) in self.lanes.iter().zip(&self.places) {
                let (Some(place), Some((_, end))) = (place, lane.bounds()) else {
                    continue;
                };
                if place.track == track {
                    until = until.min(due(lane, self.hold, epoch));
                    audio_end = audio_end.max(end);
                }
            }
            until = until.min(self.reserved_from(track, epoch));
            let until = until.min(audio_end);
            while self.tracks[track].written < until {
                self.write_block(track, until, out)?;
            }
        }
        Ok(())
    }

    /// Where a stream begins whose place is still open, if it may yet be given channels of this
    /// track: nothing may be written past there.
    fn reserved_from(&self, track: usize, epoch: i64) -> i64 {
        let open = &self.tracks[track];
        let spare = track == 0
            && matches!(self.layout, Layout::Joined { .. })
            && open.used_channels < open.channels;
        let unplaced = self.lanes.iter().filter(|l| spare && l.start.is_none());
        unplaced
            .map(|l| open.rate.frames_in_nanos(l.earliest() - epoch))
            .min()
            .unwrap_or(i64::MAX)
    }

    fn write_block<O: Output>(
        &mut self,
        track: usize,
        until: i64,
        out: &mut O,
    ) -> Result<(), O::Error> {
        let open = &mut self.tracks[track];
        let (width, from) = (open.channels, open.written);
        let frames = (until - from).min((MIX_SAMPLES / width) as i64);
        let to = from + frames;
        let mix = &mut self.mix[..frames as usize * width];
        mix.fill(0.0);
        for (lane, place) in self.lanes.iter_mut().zip(&self.places) {
            let (Some(place), Some(start), Some((first, _))) = (place, lane.start, lane.bounds())
            else {
                continue;
            };
            if place.track != track || first >= to {
                continue;
            }
            while let Some((at, packet)) = lane.packet_before(to - start) {
                out.packet(track, start + at, &packet)?;
            }
            let own = lane.format.channels.get();
            drain(lane, start, first.max(from), to, |position, samples| {
                let frame = (position - from) as usize;
                for (i, samples) in samples.chunks_exact(own).enumerate() {
                    let at = (frame + i) * width + place.first_channel;
                    mix[at..at + own].copy_from_slice(samples);
                }
            });
        }
        open.written = to;
        out.write(track, mix)
    }
}

/// Takes positions `from..to` of the recording out of a lane whose position 0 is `start`; `put`
/// gets the audio in them.
fn drain(lane: &mut Lane, start: i64, from: i64, to: i64, mut put: impl FnMut(i64, &[f32])) {
    lane.stats.late_frames += lane.track.begin(from - start);
    let to = to - start;
    loop {
        // What is kept beyond the window finds its place as the window moves on.
        let end = lane
            .place_kept()
            .map_or(to, |window_end| to.min(window_end));
        let Lane { track, gaps, .. } = &mut *lane;
        track.drain(end, |at, part| match part {
            Part::Audio(samples) => {
                gaps.found();
                put(at + start, samples);
            }
            Part::Missing(frames) => gaps.missing(at, frames),
        });
        if end == to {
            break;
        }
    }
    lane.place_kept();
}

fn widest(a: SampleFormat, b: SampleFormat) -> SampleFormat {
    use SampleFormat::{F32, S16, S24, S32, U8};
    let rank = |f| match f {
        U8 => 0,
        S16 => 1,
        S24 => 2,
        S32 => 3,
        F32 => 4,
    };
    // Float holds 24 bits; where 32-bit integers meet it, it still does.
    if rank(a) >= rank(b) { a } else { b }
}

/// How far a sender's wall clock may be from ours and still be used to align its stream.
pub(super) const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);
/// Samples written at once.
const MIX_SAMPLES: usize = 1 << 16;
/// Channels of one file.
const MAX_CHANNELS: usize = 1_024;

#[cfg(test)]
mod tests;
