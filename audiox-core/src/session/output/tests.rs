//! What happens only when the two sides run at the same moment, made to happen.

use super::super::handover::{Socket, handover};
use super::super::playouts::{NewSource, PlayoutFactory, UniformPlayouts};
use super::*;
use crate::codec::CodecRegistry;
use crate::convert::Gain;
use crate::format::SampleRate;
use crate::ingress::Origin;
use crate::playout::PlayoutConfig;
use crate::time::ExtSeq;

const FORMAT: StreamFormat = StreamFormat::new(SampleRate::HZ_8000, Channels::MONO);

fn pair() -> (Socket, SessionOutput) {
    let (socket, playback) = handover(1, 4, 160);
    (socket, SessionOutput::new(FORMAT, 1, playback))
}

fn lane(id: u32, ticket: Ticket) -> Box<Lane> {
    let types = [(0, "L16/8000".parse().unwrap())];
    let mut playouts = UniformPlayouts::rtp(PlayoutConfig::default(), types, CodecRegistry::pcm());
    let source = NewSource {
        id: SourceId(id),
        ssrc: id,
        origin: Origin(0),
        payload_type: 0,
        output: FORMAT,
    };
    let playout = playouts.playout(&source).unwrap();
    Box::new(Lane::new(source.id, ticket, playout, Gain::UNITY, 0))
}

fn send(socket: &mut Socket, ticket: Ticket, seq: u64) {
    let mut packet = socket.acquire().unwrap();
    packet.fill(&[1; 160]);
    packet.meta.payload = 0..160;
    packet.meta.seq = ExtSeq(seq);
    packet.meta.ticket = ticket;
    let packet = socket.take_back(packet).unwrap();
    socket.submit(packet).unwrap();
}

fn buffered(output: &mut SessionOutput) -> usize {
    let lane = output.lanes[0].as_mut();
    lane.map_or(0, |l| l.take_stats().packets_buffered)
}

#[test]
fn a_packet_of_the_last_tenant_does_not_reach_the_next() {
    let (mut socket, mut output) = pair();
    let first = Ticket::first(0);
    assert!(socket.open(lane(1, first), Gain::UNITY));
    send(&mut socket, first, 0);
    socket.close(first);
    assert!(socket.open(lane(2, first.next()), Gain::UNITY));
    send(&mut socket, first.next(), 0);
    // A close that was sent before the lane came home by itself.
    socket.close(first);
    output.receive();
    assert_eq!(buffered(&mut output), 1);
    assert_eq!(output.stats().packets_unrouted, 1);
    assert_eq!(socket.returned(0), 0, "it was not the new tenant's");
    assert_eq!(socket.next_home().unwrap().source(), SourceId(1));
    assert!(socket.next_home().is_none());
    assert_eq!(output.sources().collect::<Vec<_>>(), [(0, SourceId(2))]);
}

#[test]
fn a_lane_handed_in_after_the_commands_were_read_gets_its_first_packet() {
    let (mut socket, mut output) = pair();
    output.receive();
    let ticket = Ticket::first(0);
    assert!(socket.open(lane(1, ticket), Gain::UNITY));
    send(&mut socket, ticket, 0);
    // As if the pull had come as far as the packets by now.
    let packet = output.playback.next_packet().unwrap();
    output.route(packet);
    assert_eq!(
        (buffered(&mut output), output.stats().packets_unrouted),
        (1, 0)
    );
}

#[test]
fn a_gain_set_before_the_first_pull_is_the_one_it_starts_with() {
    let (mut socket, mut output) = pair();
    assert!(socket.open(lane(1, Ticket::first(0)), Gain::UNITY));
    socket.set_gain(0, Gain::linear(0.25).unwrap());
    output.receive();
    assert_eq!(output.playback.gain(0).factor(), 0.25);
    assert_eq!(socket.returned(0), 0);
}

#[test]
fn the_ends_know_of_each_other() {
    let (socket, output) = pair();
    assert!(!socket.is_closed() && !output.is_closed());
    drop(socket);
    assert!(output.is_closed());
    let (socket, output) = pair();
    drop(output);
    assert!(socket.is_closed());
}
