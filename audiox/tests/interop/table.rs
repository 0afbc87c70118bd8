//! The table that `make interop` prints at its end: what a peer and we did together, a line each.

use std::io::Write;

use crate::stream::Stream;

/// Who spoke.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// The peer sent or wrote, we heard or read.
    ToUs,
    FromUs,
}

/// Tells what passed, where somebody collects it. `subject` is a codec or a format, `how` says
/// under which conditions, `came` what was found.
pub(crate) fn passed(subject: &str, peer: &str, way: Way, how: &str, came: &str) {
    let Some(path) = std::env::var_os("AUDIOX_INTEROP_TABLE") else {
        return;
    };
    let way = match way {
        Way::ToUs => "to us",
        Way::FromUs => "from us",
    };
    let line = format!("{subject}\t{peer}\t{way}\t{how}\t{came}\n");
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// Tells that a session description of one was all that the other knew of a stream.
pub(crate) fn described(peer: &str, way: Way, stream: Stream) {
    let how = format!(
        "{}/{}/{}",
        stream.codec.name(),
        stream.rate,
        stream.channels
    );
    passed("SDP", peer, way, &how, "all that was known of the stream");
}
