//! Sockets, pacing and session descriptions for audiox: UDP and RTP drivers, multicast, SDP.
#![forbid(unsafe_code)]
