use super::axis::Clock;
use super::*;
use audiox_core::block::AudioRef;
use audiox_core::format::{Channels, SampleRate, StreamFormat};

fn tone(rate: u32, seconds: f32, level: f32) -> Envelope {
    let rate = SampleRate::new(rate).unwrap();
    let mut envelope = Envelope::new(StreamFormat::new(rate, Channels::MONO));
    let frames = (seconds * rate.get() as f32) as usize;
    let samples: Vec<f32> = (0..frames)
        .map(|n| level * (n as f32 * 440.0 * std::f32::consts::TAU / rate.get() as f32).sin())
        .collect();
    envelope.push(AudioRef::new(&samples, Channels::MONO));
    envelope
}

fn gap(start: u64, frames: u64, cause: &str) -> Gap {
    Gap {
        start,
        frames,
        cause: cause.into(),
    }
}

/// Every element closes, in order; attributes are quoted.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/', '\n'])
            .next()
            .unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn lanes_of_different_rates_share_one_time_axis() {
    let svg = Picture::new("two rates")
        .group(
            "g",
            vec![
                Lane::new("a", tone(8_000, 1.0, 0.8)),
                Lane::new("b", tone(48_000, 2.0, 0.8)),
            ],
        )
        .to_svg();
    assert_well_formed(&svg);
    let ends: Vec<f64> = svg
        .lines()
        .filter(|l| l.starts_with("<path class=\"wave"))
        .map(|l| {
            let d = l.split("d=\"M").nth(1).unwrap();
            let xs = d.split(' ').step_by(2).map_while(|x| x.parse::<f64>().ok());
            xs.fold(0.0, f64::max)
        })
        .collect();
    assert!(
        (ends[0] - (LEFT + PLOT_WIDTH / 2.0)).abs() <= 1.0,
        "{ends:?}"
    );
    assert!((ends[1] - (LEFT + PLOT_WIDTH)).abs() <= 1.0, "{ends:?}");
}

#[test]
fn gaps_stand_where_they_were_and_causes_are_counted() {
    let svg = Picture::new("gaps")
        .group(
            "g",
            vec![
                Lane::new("sent", tone(8_000, 1.0, 0.3)),
                Lane::new("received", tone(8_000, 1.0, 0.3)).gaps([
                    gap(4_000, 160, "lost"),
                    gap(6_000, 160, "late"),
                    gap(7_000, 80, "lost"),
                ]),
            ],
        )
        .to_svg();
    assert_well_formed(&svg);
    let middle = LEFT + PLOT_WIDTH / 2.0;
    assert!(svg.contains(&format!(r#"class="gap g0" x="{middle:.2}""#)));
    assert!(svg.contains("lost: 20 ms at 0.500 s, 160 frames"));
    assert!(svg.contains("lost: 2 gaps, 30 ms"));
    assert!(svg.contains("late: 1 gap, 20 ms"));
    assert!(svg.contains("±0.5"));
}

#[test]
fn the_shortest_gap_can_still_be_seen() {
    let svg = Picture::new("hours")
        .group(
            "g",
            vec![Lane::new("a", tone(1_000, 600.0, 0.5)).gaps([gap(5, 1, "lost")])],
        )
        .to_svg();
    assert!(svg.contains(r#"width="1.00""#));
}

#[test]
fn labels_cannot_break_the_document() {
    let evil = "</text><script>\"&\u{0}\n";
    let svg = Picture::new(evil)
        .group(
            evil,
            vec![Lane::new(evil, tone(8_000, 0.1, 1.0)).gaps([gap(0, 1, evil)])],
        )
        .to_svg();
    assert_well_formed(&svg);
    assert!(!svg.contains("<script") && !svg.contains('\u{0}'));
}

#[test]
fn nothing_at_all_is_a_picture_too() {
    let empty = Envelope::new(StreamFormat::new(SampleRate::HZ_8000, Channels::MONO));
    assert_well_formed(&Picture::new("").to_svg());
    let lane = Lane::new("a", empty).gaps([gap(u64::MAX, u64::MAX, "lost")]);
    assert_well_formed(&Picture::new("").group("", vec![lane]).to_svg());
}

#[test]
fn the_axis_has_a_dozen_marks_at_most_for_any_length() {
    for exponent in 0..12 {
        let total = Duration::from_millis(10_u64.pow(exponent) * 3);
        for start in [Duration::ZERO, total / 7] {
            let marks = Axis::new(start, Some(total)).marks().1.count();
            assert!((2..=13).contains(&marks), "{start:?} {total:?} {marks}");
        }
    }
}

#[test]
fn marks_read_like_a_clock() {
    let text = |seconds, step| Clock { seconds, step }.to_string();
    assert_eq!(text(0.02, 0.01), "20 ms");
    assert_eq!(text(1.5, 0.5), "1.5 s");
    assert_eq!(text(9.0, 1.0), "9 s");
    assert_eq!(text(90.0, 30.0), "1:30");
    assert_eq!(text(7_325.0, 600.0), "2:02:05");
}

#[test]
fn a_later_part_shows_the_gaps_that_touch_it() {
    let lane = Lane::new("a", tone(8_000, 0.1, 0.5)).gaps([
        gap(0, 160, "before"),
        gap(7_900, 160, "into it"),
        gap(8_400, 160, "inside"),
        gap(8_800, 160, "after"),
    ]);
    let svg = Picture::new("from 1 s to 1.1 s")
        .starting_at(Duration::from_secs(1))
        .group("g", vec![lane])
        .to_svg();
    assert!(!svg.contains("before:") && !svg.contains("after:"));
    assert!(svg.contains("into it: 1 gap, 20 ms"));
    let middle = LEFT + PLOT_WIDTH / 2.0;
    assert!(svg.contains(&format!(r#"class="gap g1" x="{middle:.2}""#)));
    assert!(svg.contains(">1050 ms<"));
}
