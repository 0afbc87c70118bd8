use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

/// Version 2, marker, payload type 96, sequence number 0x1234, and so on; payload 1 2 3.
const PLAIN: [u8; 15] = [
    0x80, 0xe0, 0x12, 0x34, 0x01, 0x02, 0x03, 0x04, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3,
];

/// Padding, extension and two CSRCs; payload 7 8, padding of three.
const FULL: [u8; 33] = [
    0xb2, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0x00, 0x00, 0x00, 0x01, // fixed
    0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x00, 0x0b, // CSRCs
    0xbe, 0xde, 0x00, 0x01, 0x10, 0xff, 0x00, 0x00, // extension
    7, 8, 0, 0, 3,
];

#[test]
fn the_fields_of_a_plain_packet_are_where_the_rfc_puts_them() {
    let p = RtpPacket::parse(&PLAIN).unwrap();
    assert_eq!(p.version(), 2);
    assert!(p.marker());
    assert_eq!(p.payload_type(), 96);
    assert_eq!(p.seq(), SeqNum(0x1234));
    assert_eq!(p.timestamp(), RtpTimestamp(0x0102_0304));
    assert_eq!(p.ssrc(), 0xdead_beef);
    assert_eq!(p.csrcs().len(), 0);
    assert_eq!(p.extension(), None);
    assert_eq!((p.payload(), p.padding()), (&[1, 2, 3][..], 0));
    assert_eq!(p.payload_range(), 12..15);
}

#[test]
fn csrcs_extension_and_padding_are_told_apart_from_the_payload() {
    let p = RtpPacket::parse(&FULL).unwrap();
    assert_eq!((p.marker(), p.payload_type()), (false, 10));
    assert_eq!(p.csrcs().collect::<Vec<_>>(), [10, 11]);
    assert_eq!(p.extension(), Some((0xbede, &[0x10, 0xff, 0, 0][..])));
    assert_eq!((p.payload(), p.padding()), (&[7, 8][..], 3));
    assert_eq!(&FULL[p.payload_range()], p.payload());
    assert_eq!(p.header_len(), 28);
}

#[test]
fn a_packet_may_have_neither_payload_nor_extension_content() {
    let mut bytes = PLAIN[..12].to_vec();
    assert_eq!(RtpPacket::parse(&bytes).unwrap().payload(), []);
    bytes[0] |= EXTENSION_BIT;
    bytes.extend([0xab, 0xcd, 0, 0]);
    let p = RtpPacket::parse(&bytes).unwrap();
    assert_eq!(p.extension(), Some((0xabcd, &[][..])));
    assert_eq!(p.payload_range(), 16..16);
}

#[test]
fn what_is_malformed_is_named() {
    let change = |at: usize, to: u8| {
        let mut bytes = FULL;
        bytes[at] = to;
        RtpPacket::parse(&bytes).unwrap_err()
    };
    let cut = |len: usize| RtpPacket::parse(&FULL[..len]).unwrap_err();
    let truncated = |expected, actual| ParseError::Truncated { expected, actual };

    assert_eq!(change(0, 0x72), ParseError::Version(1));
    assert_eq!(change(32, 0), ParseError::Padding(0));
    assert_eq!(change(32, 6), ParseError::Padding(6));
    assert_eq!(change(23, 3), truncated(36, 33));
    assert_eq!(change(0, 0xbf), truncated(76, 33));
    assert_eq!(cut(0), truncated(12, 0));
    assert_eq!(cut(11), truncated(12, 11));
    assert_eq!(cut(19), truncated(24, 19));
    assert_eq!(cut(27), truncated(28, 27));
    // The padding flag with nothing behind the header.
    assert_eq!(cut(28), ParseError::Padding(0));
}

#[test]
fn padding_may_be_all_there_is() {
    let mut bytes = FULL;
    bytes[32] = 5;
    let p = RtpPacket::parse(&bytes).unwrap();
    assert_eq!((p.payload(), p.padding()), (&[][..], 5));
}

#[test]
fn a_written_packet_is_the_one_that_was_read() {
    let mut out = [0xaa; 64];
    for bytes in [&PLAIN[..], &FULL[..]] {
        let p = RtpPacket::parse(bytes).unwrap();
        let n = p
            .header()
            .write_packet(p.payload(), p.padding(), &mut out)
            .unwrap();
        assert_eq!(&out[..n], bytes);
        assert!(out[n..].iter().all(|&b| b == 0xaa));
        out.fill(0xaa);
    }
}

#[test]
fn a_header_is_written_without_touching_what_follows() {
    let header = RtpHeader::new(0, SeqNum(1), RtpTimestamp(2), 3).unwrap();
    let mut out = [0xaa; 16];
    assert_eq!(header.write_into(&mut out), Ok(12));
    assert_eq!(
        out,
        [
            0x80, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xaa, 0xaa, 0xaa, 0xaa
        ]
    );
}

#[test]
fn what_cannot_be_on_the_wire_cannot_be_built() {
    let header = || RtpHeader::new(127, SeqNum(0), RtpTimestamp(0), 0).unwrap();
    let field = |r: Result<RtpHeader<'_>, WriteError>| match r {
        Err(WriteError::OutOfRange { field }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        field(RtpHeader::new(128, SeqNum(0), RtpTimestamp(0), 0)),
        "payload type"
    );
    assert_eq!(field(header().with_csrcs(&[0; 16])), "CSRC count");
    assert_eq!(
        field(header().with_extension(0, &[0; 5])),
        "header extension length"
    );
    let content = vec![0; 65_536 * 4];
    assert_eq!(
        field(header().with_extension(0, &content)),
        "header extension length"
    );
    assert!(header().with_extension(0, &content[4..]).is_ok());
}

#[test]
fn a_short_buffer_is_refused_with_both_sizes() {
    let header = RtpPacket::parse(&FULL).unwrap().header();
    let mut out = [0; 33];
    for available in 0..28 {
        assert_eq!(
            header.write_into(&mut out[..available]),
            Err(WriteError::BufferTooSmall {
                needed: 28,
                available
            })
        );
    }
    assert_eq!(
        header.write_packet(&[7, 8], 3, &mut out[..32]),
        Err(WriteError::BufferTooSmall {
            needed: 33,
            available: 32
        })
    );
}

proptest! {
    #[test]
    fn every_packet_survives_the_round_trip(
        (payload_type, marker) in (0u8..128, any::<bool>()),
        (seq, timestamp, ssrc) in any::<(u16, u32, u32)>(),
        csrcs in vec(any::<u32>(), 0..=15),
        extension in proptest::option::of((any::<u16>(), vec(any::<[u8; 4]>(), 0..20))),
        payload in vec(any::<u8>(), 0..200),
        padding in any::<u8>(),
    ) {
        let extension = extension.map(|(profile, words)| (profile, words.concat()));
        let mut header = RtpHeader::new(payload_type, SeqNum(seq), RtpTimestamp(timestamp), ssrc)
            .unwrap()
            .with_csrcs(&csrcs)
            .unwrap();
        header.marker = marker;
        if let Some((profile, content)) = &extension {
            header = header.with_extension(*profile, content).unwrap();
        }
        let mut out = [0xaa; 1_024];
        let n = header.write_packet(&payload, padding, &mut out).unwrap();
        prop_assert_eq!(n, header.wire_len() + payload.len() + usize::from(padding));

        let p = RtpPacket::parse(&out[..n]).unwrap();
        prop_assert_eq!(p.header(), header.clone());
        prop_assert_eq!(p.marker(), marker);
        prop_assert_eq!(p.csrcs().collect::<Vec<_>>(), csrcs);
        prop_assert_eq!(p.extension(), extension.as_ref().map(|(n, c)| (*n, &c[..])));
        prop_assert_eq!(p.payload(), payload);
        prop_assert_eq!(p.padding(), padding);

        let mut head = [0xaa; 1_024];
        let header_len = header.write_into(&mut head).unwrap();
        prop_assert_eq!(&head[1..header_len], &out[1..header_len]);
    }

    #[test]
    fn garbage_never_panics(mut bytes in vec(any::<u8>(), 0..400)) {
        for version in 0..4 {
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | version << 6;
            }
            if let Ok(p) = RtpPacket::parse(&bytes) {
                prop_assert_eq!(&bytes[p.payload_range()], p.payload());
                prop_assert_eq!(
                    p.header_len() + p.payload().len() + usize::from(p.padding()),
                    bytes.len()
                );
                let _ = format!("{p:?}");
            }
        }
    }
}
