use proptest::prelude::*;

use super::*;

fn parse(s: &str) -> OpusParams {
    s.parse().unwrap()
}

#[test]
fn the_example_of_rfc_7587_section_7_is_read() {
    let params = parse(
        "maxplaybackrate=16000; sprop-maxcapturerate=16000; maxaveragebitrate=20000; stereo=1; useinbandfec=1; usedtx=0",
    );
    let expected = OpusParams {
        max_playback: Bandwidth::Wideband,
        max_capture: Bandwidth::Wideband,
        max_average_bitrate: Some(20_000),
        stereo: true,
        in_band_fec: true,
        ..OpusParams::default()
    };
    assert_eq!(params, expected);
}

#[test]
fn what_other_programs_write_is_read() {
    assert!(parse("sprop-stereo=1").sprop_stereo, "ffmpeg");
    let browser = parse("minptime=10;useinbandfec=1");
    assert!(browser.in_band_fec && browser.ptime.is_none());
    let six = parse("channel_mapping=0,4,1,2,3,5;coupled_streams=2;num_streams=4");
    let surround = Layout::surround(Channels::new(6).unwrap());
    assert_eq!(six.layout, surround.ok());
    let odd = parse(" ;; Stereo = 1 ;x-google-min-bitrate=40;cbr=1;;maxptime=3;ptime=20");
    assert!(odd.stereo && odd.cbr);
    assert_eq!(odd.max_ptime, Some(Duration::from_micros(2_500)));
    assert_eq!(odd.ptime, Some(Duration::from_millis(20)));
    // Beyond what there is: full bandwidth, no limit.
    let high = parse("maxplaybackrate=192000;maxaveragebitrate=510001");
    assert_eq!(high, OpusParams::default());
    assert_eq!(parse(""), OpusParams::default());
}

#[test]
fn a_wrong_value_is_refused_with_its_name() {
    let error = |s: &str| s.parse::<OpusParams>().unwrap_err().to_string();
    assert_eq!(error("stereo=2"), "stereo: 2 is not possible; 0 or 1");
    assert_eq!(error("usedtx"), "usedtx:  is not possible; 0 or 1");
    assert!(error("maxplaybackrate=+1").starts_with("maxplaybackrate: +1"));
    assert!(error("maxplaybackrate=0").contains("rate in Hz"));
    assert!(error("maxaveragebitrate=4294967296").contains("whole number"));
    assert!(error("ptime=121").contains("1 to 120 ms"));
    assert!(error("num_streams=4").starts_with("coupled_streams: none"));
    assert!(error("num_streams=256").contains("at most 255"));
    let long = format!(
        "num_streams=1;coupled_streams=0;channel_mapping={}",
        "0,".repeat(10_000)
    );
    assert!(error(&long).starts_with("channel_mapping"));
}

#[test]
fn what_is_sent_is_described() {
    let format =
        |hz, ch| StreamFormat::new(SampleRate::new(hz).unwrap(), Channels::new(ch).unwrap());
    let described = |config: &OpusConfig, format| {
        let mut params = OpusParams::describing(config, format).unwrap();
        params.layout = None;
        params.to_string()
    };
    let config = OpusConfig::default();
    assert_eq!(
        described(&config, format(48_000, 2)),
        "stereo=1; sprop-stereo=1; useinbandfec=1"
    );
    let config = OpusConfig {
        rate_control: RateControl::Constant,
        fec: InbandFec::Off,
        dtx: true,
        ..config
    };
    assert_eq!(
        described(&config, format(16_000, 1)),
        "sprop-maxcapturerate=16000; cbr=1; usedtx=1"
    );
    let six = OpusParams::describing(&OpusConfig::default(), format(48_000, 6)).unwrap();
    let written = six.to_string();
    assert!(written.ends_with("num_streams=4; coupled_streams=2; channel_mapping=0,4,1,2,3,5"));
    assert_eq!(parse(&written), six);
}

#[test]
fn a_receivers_wishes_limit_the_encoder() {
    let mut config = OpusConfig {
        dtx: true,
        max_bitrate: Some(30_000),
        ..OpusConfig::default()
    };
    parse("maxplaybackrate=8000;maxaveragebitrate=40000;cbr=1").apply_to(&mut config);
    let expected = OpusConfig {
        max_bandwidth: Bandwidth::Narrowband,
        max_bitrate: Some(30_000),
        rate_control: RateControl::Constant,
        fec: InbandFec::Off,
        dtx: false,
        ..OpusConfig::default()
    };
    assert_eq!(config, expected);
    let mut config = OpusConfig {
        dtx: true,
        ..OpusConfig::default()
    };
    parse("useinbandfec=1;usedtx=1;maxaveragebitrate=40000").apply_to(&mut config);
    assert!(config.dtx && config.fec == InbandFec::Speech);
    assert_eq!(config.max_bitrate, Some(40_000));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_and_what_is_written_reads_back(
        text in "([a-z_-]{0,12}=?[0-9,]{0,9};){0,5}|(maxplaybackrate|stereo|num_streams|coupled_streams|channel_mapping)=[0-9,]{0,4}|.{0,40}",
    ) {
        if let Ok(params) = text.parse::<OpusParams>() {
            let written = OpusParams { ptime: None, max_ptime: None, ..params };
            prop_assert_eq!(parse(&written.to_string()), written);
        }
    }
}
