//! Traces: files that somebody sent.

use crate::playout::Profile;
use crate::trace::{Diagnosis, Replay, TraceEvent, TraceReader, TraceWriter};

/// Any bytes are events or refused; events are written and read again as they are; and replay
/// and diagnosis make of them what they can.
pub fn trace(data: &[u8]) {
    let Ok(reader) = TraceReader::new(data) else {
        return;
    };
    let head = *reader.head();
    let events: Vec<TraceEvent> = reader.map_while(Result::ok).take(MOST).collect();

    let mut bytes = Vec::new();
    let mut writer = TraceWriter::begin(&head, &mut bytes);
    for event in &events {
        writer.write(event, &mut bytes);
    }
    let again = TraceReader::new(&bytes).expect("the head was just written");
    assert_eq!(again.head(), &head);
    let again: Result<Vec<_>, _> = again.collect();
    assert_eq!(again.as_ref(), Ok(&events));

    if let Ok(report) = Replay::run(&head, &events, &Profile::Balanced.config()) {
        assert!(report.mean_delay <= report.max_delay);
        let ratio = report.stats.concealed_ratio();
        assert!((0.0..=1.0).contains(&ratio), "{ratio}");
    }
    if let Ok(diagnosis) = Diagnosis::new(&head, &events) {
        assert!((0.0..=1.0).contains(&diagnosis.loss()));
        assert!(!diagnosis.to_string().is_empty());
    }
}

/// Events of a run.
const MOST: usize = 300;
