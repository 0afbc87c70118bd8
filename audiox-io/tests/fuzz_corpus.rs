//! Replays the checked-in fuzz corpus.

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[test]
fn every_corpus_file_passes_its_body() {
    replay::replay("audiox_io", audiox_io::fuzzing::BODIES);
}
