use audiox_core::packet::red;

use super::*;

fn described(lines: &[&str]) -> Listen {
    let head = "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n";
    let session = SessionDescription::parse([head, &lines.join("\n"), "\n"].concat().as_bytes());
    Listen::from_sdp(&session.unwrap()).unwrap().remove(0)
}

#[test]
fn the_longest_packets_of_codecs_are_taken_in_any_number_of_channels() {
    for channels in [1u16, 2, 6, 8, 64] {
        let map = format!("a=rtpmap:96 L16/48000/{channels}");
        let listen = described(&["m=audio 5004 RTP/AVP 96", &map]);
        let readers = listen.decoders(&CodecRegistry::pcm()).unwrap();
        let longest = readers[0].decoder.max_frames();
        // 120 ms.
        assert!(longest >= 5_760, "{channels} channels: {longest} frames");
    }
}

#[test]
fn red_carries_what_its_parameters_say_and_not_what_else_is_there() {
    for (parameters, carried) in [("a=fmtp:97 99/99", 99), ("a=ptime:5", 98)] {
        let listen = described(&[
            "m=audio 5004 RTP/AVP 97 98 99",
            "a=rtpmap:97 red/48000/2",
            "a=rtpmap:98 L24/48000/2",
            "a=rtpmap:99 L16/48000/2",
            parameters,
        ]);
        let mut readers = listen.decoders(&CodecRegistry::pcm()).unwrap();
        let red = readers.iter_mut().find(|r| r.carries == Carries::Red);
        let decoder = &mut red.unwrap().decoder;
        for pt in [98, 99] {
            let mut packet = [0; 100];
            let len = red::write([].into_iter(), (pt, &[0; 12]), &mut packet).unwrap();
            let read = decoder.frames_in(&packet[..len]);
            let frames = if pt == 98 { 2 } else { 3 };
            assert_eq!(read.ok(), (pt == carried).then_some(frames), "{parameters}");
        }
    }
}

#[test]
fn members_of_a_group_do_not_all_ask_for_what_is_lost() {
    let asks = |address: &str| {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=a\r\nc=IN IP4 {address}\r\nt=0 0\r\n\
             m=audio 5004 RTP/AVPF 96 117\r\na=rtpmap:96 L16/48000/1\r\n\
             a=rtpmap:117 rtx/48000\r\na=fmtp:117 apt=96\r\na=rtcp-fb:* nack\r\n"
        );
        let listen = Listen::from_sdp(&text.parse().unwrap()).unwrap();
        listen[0].ingress().retransmission.map(|r| r.types)
    };
    assert_eq!(asks("127.0.0.1"), Some(vec![(117, 96)]));
    assert_eq!(asks("239.1.2.3/1"), None);
}
