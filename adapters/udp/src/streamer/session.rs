//! The session description of RTP streams.

use std::net::{IpAddr, SocketAddr};

use audiox_core::codec::{CodecSpec, EncodingName};
use audiox_core::format::{Channels, StreamFormat};
use audiox_net::clock::Clock;
use audiox_net::endpoint::{RepairOptions, RtpEndpoint};
use audiox_net::sdp::{
    MediaDescription, Origin, PayloadFormat, SessionDescription, SsrcDescription,
};

use super::plan::StreamPlan;

/// What a description is made of, beside the streams' formats.
#[derive(Debug)]
pub(super) struct Described<'a> {
    pub(super) name: &'a str,
    pub(super) from: IpAddr,
    pub(super) to: SocketAddr,
    pub(super) rtp: &'a RtpEndpoint,
    pub(super) cname: &'a str,
    pub(super) ssrcs: &'a [u32],
}

impl Described<'_> {
    /// One media line for all streams: they share address and port and are told apart by their
    /// SSRCs (RFC 3550 section 5.2), each format by its payload type.
    pub(super) fn write(&self, plans: &[StreamPlan], clock: Clock) -> SessionDescription {
        let first = &plans[0];
        let mut media = MediaDescription::new(self.to, first.payload_type, first.rtpmap.clone());
        media.formats.clear();
        for plan in plans {
            if media.format(plan.payload_type).is_none() {
                media.formats.push(PayloadFormat {
                    payload_type: plan.payload_type,
                    codec: plan.rtpmap.clone(),
                    fmtp: plan.fmtp.clone(),
                });
            }
        }
        if self.rtp.red.is_some() {
            // The blocks' own type, as other readers want it described.
            for plan in plans {
                let encoding = self.rtp.codec.clone().unwrap_or(EncodingName::L16);
                if media.format(RtpEndpoint::RED_BLOCKS).is_none() {
                    let codec = CodecSpec {
                        encoding,
                        ..plan.rtpmap.clone()
                    };
                    media.formats.push(PayloadFormat {
                        payload_type: RtpEndpoint::RED_BLOCKS,
                        codec,
                        fmtp: None,
                    });
                }
            }
        }
        let repair = plans.iter().find_map(|p| Some((p, p.repair?)));
        if let Some((plan, repair)) = repair
            && media.format(repair.payload_type).is_none()
        {
            let format = StreamFormat::new(plan.rtpmap.rate, Channels::MONO);
            media.formats.push(PayloadFormat {
                payload_type: repair.payload_type,
                codec: CodecSpec::new(EncodingName::WINDOW_FEC, format),
                fmtp: None,
            });
        }
        if let Some(repair) = media
            .formats
            .iter_mut()
            .find(|f| f.codec.encoding == EncodingName::WINDOW_FEC)
        {
            let delay = self.rtp.repair.delay.unwrap_or(RepairOptions::DELAY);
            repair.fmtp = Some(format!("delay={}", delay.as_millis()));
        }
        for plan in plans {
            let Some(again) = plan.again else {
                continue;
            };
            media.nack = true;
            if media.format(again.payload_type).is_none() {
                let format = StreamFormat::new(plan.rtpmap.rate, Channels::MONO);
                media.formats.push(PayloadFormat {
                    payload_type: again.payload_type,
                    codec: CodecSpec::new(EncodingName::RTX, format),
                    fmtp: Some(format!("apt={}", plan.payload_type)),
                });
            }
        }
        let same = plans.iter().all(|p| p.packet.ptime == first.packet.ptime);
        media.ptime = same.then_some(first.packet.ptime);
        media.rtcp = self.rtp.rtcp;
        if media.ttl.is_some() {
            media.ttl = self.rtp.at.options.ttl.or(media.ttl);
        }
        // Beyond what readers accept, streams announce themselves by their reports.
        if self.ssrcs.len() <= ANNOUNCED {
            media.ssrcs = self
                .ssrcs
                .iter()
                .map(|&ssrc| SsrcDescription {
                    ssrc,
                    cname: self.cname.to_owned(),
                })
                .collect();
        }
        let (_, ntp) = clock.anchor();
        SessionDescription::new(self.name, Origin::new(ntp.0 >> 32, self.from), media)
    }
}

const ANNOUNCED: usize = 64;
