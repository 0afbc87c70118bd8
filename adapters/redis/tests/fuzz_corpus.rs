//! Replays the checked-in fuzz corpora.
#![cfg(test)]

#[path = "../../../fuzz/replay.rs"]
mod replay;

#[test]
fn every_corpus_file_passes_its_body() {
    replay::replay("audiox_redis", audiox_redis::fuzzing::BODIES);
}
