//! Listens without playing or recording: what arrived, and when.

use std::collections::HashMap;
use std::net::SocketAddr;

use audiox_core::codec::{CodecRegistry, Decoder};
use audiox_core::ingress::{Handled, Ingress, IngressEvent, SourceId};
use audiox_core::packet::PacketBuf;
use audiox_core::playout::Inserted;
use audiox_core::trace::{Arrival, TraceEvent, TraceHead};
use audiox_net::AllowList;
use audiox_net::clock::Clock;
use audiox_net::stop::StopFlag;

use crate::Error;
use crate::node::Listen;
use crate::port::Port;

/// Collects the arrivals of every stream that comes to some ports.
pub struct Listener {
    clock: Clock,
    stop: StopFlag,
    stations: Vec<Station>,
    packets: u64,
}

struct Station {
    port: Port,
    ingress: Ingress,
    decoders: Vec<(u8, Box<dyn Decoder>)>,
    heard: HashMap<SourceId, ListenedStream>,
}

/// What came of one stream.
#[derive(Debug, Clone)]
pub struct ListenedStream {
    /// Address and SSRC.
    pub name: String,
    /// What a trace of it begins with; it was not played, so the output is as the stream.
    pub head: TraceHead,
    /// Arrivals, at most a million; later ones are counted in a last event.
    pub events: Vec<TraceEvent>,
    missed: u64,
}

impl Listener {
    /// Opens the ports.
    ///
    /// # Errors
    /// A port in use, a codec that is not known.
    pub fn open(listen: &[Listen], codecs: &CodecRegistry) -> Result<Self, Error> {
        let (clock, stop) = (Clock::new(), StopFlag::new());
        let mut stations = Vec::new();
        for l in listen {
            let readers = l.decoders(codecs)?;
            let opened = Port::open(l, clock, &stop, MAX_STREAMS, &AllowList::default());
            if opened.is_err() {
                stop.stop();
            }
            stations.push(Station {
                port: opened?,
                ingress: Ingress::new(l.ingress(), clock.now())?,
                decoders: readers
                    .into_iter()
                    .map(|r| (r.payload_type, r.decoder))
                    .collect(),
                heard: HashMap::new(),
            });
        }
        Ok(Self {
            clock,
            stop,
            stations,
            packets: 0,
        })
    }

    /// The media addresses listened on.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.stations.iter().map(|s| s.port.local).collect()
    }

    /// Takes in what has come. Call at least ten times a second.
    pub fn collect(&mut self) {
        let now = self.clock.now();
        for station in &mut self.stations {
            while let Ok(report) = station.port.reports.try_recv() {
                // Malformed ones are counted by the ingress.
                let _ = station
                    .ingress
                    .handle_rtcp(report.arrival, &report.datagram);
            }
            while let Some((pool, mut packet)) = station.port.recv() {
                if let Handled::Media(id) = station.ingress.handle_packet(&mut packet) {
                    self.packets += 1;
                    station.heard(id, &packet);
                }
                while let Some(id) = station.ingress.poll_recovered(&mut packet) {
                    station.heard(id, &packet);
                }
                station.port.recycle(pool, packet);
            }
            station.ingress.handle_timeout(now);
            while let Some(event) = station.ingress.poll_event() {
                let IngressEvent::Ended(id) = event else {
                    continue;
                };
                // A stray datagram is no stream.
                if station.heard.get(&id).is_some_and(|s| s.events.len() < 2) {
                    station.heard.remove(&id);
                }
            }
        }
    }

    /// Media packets taken in.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Closes the ports and gives what came, the longest stream first.
    pub fn finish(mut self) -> Vec<ListenedStream> {
        self.collect();
        self.stop.stop();
        let mut streams = Vec::new();
        for mut station in self.stations.drain(..) {
            station.port.join();
            streams.extend(station.heard.into_values());
        }
        for s in &mut streams {
            if s.missed > 0 {
                s.events.push(TraceEvent::Lost(s.missed));
            }
        }
        streams.sort_by_key(|s| std::cmp::Reverse(s.events.len()));
        streams
    }
}

impl Station {
    fn heard(&mut self, id: SourceId, packet: &PacketBuf) {
        let meta = &packet.meta;
        let Some((_, decoder)) = self
            .decoders
            .iter()
            .find(|(pt, _)| *pt == meta.payload_type)
        else {
            return;
        };
        if !self.heard.contains_key(&id) && self.heard.len() >= MAX_STREAMS {
            return;
        }
        let stream = self.heard.entry(id).or_insert_with(|| {
            let from = self
                .port
                .origins
                .address(meta.origin)
                .map_or_else(|| "?".to_owned(), |a| a.to_string());
            let name = match self.ingress.ssrc(id) {
                Some(ssrc) => format!("{from} SSRC {ssrc:08x}"),
                None => from,
            };
            ListenedStream {
                name,
                head: TraceHead {
                    stream: decoder.format(),
                    output: decoder.format(),
                },
                events: Vec::new(),
                missed: 0,
            }
        });
        if stream.events.len() >= MAX_EVENTS {
            stream.missed += 1;
            return;
        }
        let frames = decoder.frames_in(packet.payload());
        stream.events.push(TraceEvent::Arrival(Arrival {
            at: meta.arrival,
            seq: meta.seq,
            media: meta.at,
            frames: frames.unwrap_or(0) as u32,
            bytes: packet.payload().len() as u32,
            generation: meta.generation,
            recovered: meta.recovered,
            synthesised: meta.synthesised,
            marker: meta.marker,
            outcome: match frames {
                Ok(_) => Inserted::Queued,
                Err(_) => Inserted::Undecodable,
            },
        }));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("ports", &self.local_addrs())
            .field("packets", &self.packets)
            .finish_non_exhaustive()
    }
}

const MAX_STREAMS: usize = 64;
const MAX_EVENTS: usize = 1_000_000;
