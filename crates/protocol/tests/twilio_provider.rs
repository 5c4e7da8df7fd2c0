//! What the provider's messages become, the usual ones and the odd ones.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_protocol::twilio::{MAX_PARAMETER, MAX_PARAMETERS, Twilio, outgoing::Provider};
use callrec_protocol::{Dialect, Message, ProtocolError};
use callrec_session::{Codec, DropKind, EndReason, Event, Place, Topology, Track};
use serde_json::{Value, json};

const FRAME: [u8; 160] = [0x7e; 160];

/// An event without its borrow.
#[derive(Debug, PartialEq)]
enum Seen {
    Started { call: String, stream: String, topology: Topology, parameters: Vec<(String, String)> },
    Audio(Track, Place, Vec<u8>),
    Echo(String),
    Dtmf(String),
    Dropped(DropKind, u32),
    Ended(EndReason),
}

fn polled(dialect: &mut Twilio) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let Some(event) = dialect.poll_event() {
        seen.push(match event {
            Event::Started(start) => Seen::Started {
                call: start.call.clone(),
                stream: start.stream.clone(),
                topology: start.topology,
                parameters: start.parameters.clone(),
            },
            Event::Audio { track, place, codec, bytes } => {
                assert_eq!(codec, Codec::Mulaw);
                Seen::Audio(track, place, bytes.to_vec())
            }
            Event::MarkEchoed { name } => Seen::Echo(name.to_owned()),
            Event::Dtmf { digit } => Seen::Dtmf(digit.to_owned()),
            Event::Dropped { what, count } => Seen::Dropped(what, count),
            Event::Ended { reason } => Seen::Ended(reason),
            other => panic!("not an event of the provider: {other:?}"),
        });
    }
    seen
}

fn hand(dialect: &mut Twilio, json: &str) -> Result<Vec<Seen>, ProtocolError> {
    dialect.handle_message(Message::Text(json))?;
    Ok(polled(dialect))
}

/// A stream that has begun, its start polled away.
fn started() -> (Twilio, Provider) {
    let (mut dialect, mut provider) = (Twilio::new(Topology::OneWay), Provider::new("CA1", "MZ1"));
    hand(&mut dialect, &provider.start(&[Track::Caller, Track::Assistant], &[])).unwrap();
    (dialect, provider)
}

fn start_with(change: impl FnOnce(&mut Value)) -> String {
    let mut start: Value =
        serde_json::from_str(&Provider::new("CA1", "MZ1").start(&[Track::Caller], &[("a", "b")])).unwrap();
    change(&mut start);
    start.to_string()
}

fn topology_of(told: Topology, tracks: &Value) -> Topology {
    let start = start_with(|start| start["start"]["tracks"] = tracks.clone());
    match hand(&mut Twilio::new(told), &start).unwrap().remove(0) {
        Seen::Started { topology, .. } => topology,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_whole_stream_becomes_its_events() {
    let (mut dialect, mut provider) = (Twilio::new(Topology::Relay), Provider::new("CA1", "MZ1"));
    assert_eq!(hand(&mut dialect, &provider.connected()).unwrap(), []);
    assert_eq!(
        hand(&mut dialect, &provider.start(&[Track::Caller], &[("audio_format", "flac")])).unwrap(),
        [Seen::Started {
            call: "CA1".into(),
            stream: "MZ1".into(),
            topology: Topology::Relay,
            parameters: vec![("audio_format".into(), "flac".into())],
        }]
    );
    assert_eq!(
        hand(&mut dialect, &provider.media(Track::Caller, 20, &FRAME)).unwrap(),
        [Seen::Audio(Track::Caller, Place::At(20), FRAME.to_vec())]
    );
    assert_eq!(
        hand(&mut dialect, &provider.mark("say \"hi\" \u{1f600}")).unwrap(),
        [Seen::Echo("say \"hi\" \u{1f600}".into())]
    );
    assert_eq!(hand(&mut dialect, &provider.dtmf("#")).unwrap(), [Seen::Dtmf("#".into())]);
    assert_eq!(hand(&mut dialect, &provider.stop()).unwrap(), [Seen::Ended(EndReason::Stopped)]);
    assert_eq!(hand(&mut dialect, &provider.media(Track::Caller, 40, &FRAME)).unwrap(), [], "after the end");
    assert_eq!(hand(&mut dialect, "not json").unwrap(), [], "after the end");
    assert_eq!(dialect.poll_transmit(), None);
}

#[test]
fn the_messages_as_the_provider_documents_them_are_read() {
    let mut dialect = Twilio::new(Topology::OneWay);
    let start = r#"{"event":"start","sequenceNumber":"1",
        "start":{"accountSid":"ACXX","streamSid":"MZXX","callSid":"CAXX","tracks":["inbound"],
                 "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},
                 "customParameters":{"FirstName":"Jane","LastName":"Doe","RemoteParty":"Bob"}},
        "streamSid":"MZXX"}"#;
    let Seen::Started { parameters, topology, .. } = hand(&mut dialect, start).unwrap().remove(0) else {
        panic!()
    };
    assert_eq!(topology, Topology::OneWay);
    let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["FirstName", "LastName", "RemoteParty"]);
    let media = r#"{"event":"media","sequenceNumber":"3",
        "media":{"track":"outbound","chunk":"1","timestamp":"5","payload":"no+JhoaJjpw="},"streamSid":"MZXX"}"#;
    let bytes = vec![0x9e, 0x8f, 0x89, 0x86, 0x86, 0x89, 0x8e, 0x9c];
    assert_eq!(hand(&mut dialect, media).unwrap(), [Seen::Audio(Track::Assistant, Place::At(5), bytes)]);
    let dtmf = r#"{"event":"dtmf","streamSid":"MZXX","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"1"}}"#;
    assert_eq!(hand(&mut dialect, dtmf).unwrap(), [Seen::Dtmf("1".into())]);
    assert_eq!(hand(&mut dialect, r#"{"event":"close"}"#).unwrap(), [Seen::Ended(EndReason::Stopped)]);
}

#[test]
fn a_stream_is_one_way_when_the_provider_sends_the_assistants_track() {
    for (told, tracks, expected) in [
        (Topology::Relay, json!(["inbound"]), Topology::Relay),
        (Topology::OneWay, json!(["inbound"]), Topology::OneWay),
        (Topology::Relay, json!(["inbound", "outbound"]), Topology::OneWay),
        (Topology::Relay, json!(["outbound"]), Topology::OneWay),
        (Topology::Relay, json!(["something"]), Topology::Relay),
        (Topology::Relay, json!([]), Topology::Relay),
        (Topology::Relay, json!("inbound"), Topology::Relay),
        (Topology::Relay, json!([1, null]), Topology::Relay),
        (Topology::Relay, Value::Null, Topology::Relay),
    ] {
        assert_eq!(topology_of(told, &tracks), expected, "{told:?} {tracks}");
    }
}

#[test]
fn audio_with_an_odd_timestamp_is_kept_and_counted() {
    let payload = "fn5+fg==";
    for timestamp in ["-20", "\"-20\"", "\"NaN\"", "\"abc\"", "\"\"", "null", "true", "{}", "[[1]]", "1e400"]
    {
        let (mut dialect, _) = started();
        let media =
            format!(r#"{{"event":"media","media":{{"timestamp":{timestamp},"payload":"{payload}"}}}}"#);
        assert_eq!(
            hand(&mut dialect, &media).unwrap(),
            [
                Seen::Audio(Track::Caller, Place::Untimed, vec![0x7e; 4]),
                Seen::Dropped(DropKind::Timestamp, 1)
            ],
            "{timestamp}"
        );
    }
    let (mut dialect, _) = started();
    let missing = r#"{"event":"media","media":{"payload":"fn5+fg=="}}"#;
    assert_eq!(
        hand(&mut dialect, missing).unwrap()[0],
        Seen::Audio(Track::Caller, Place::Untimed, vec![0x7e; 4])
    );
    let number = r#"{"event":"media","media":{"timestamp":40,"payload":"fn5+fg=="}}"#;
    assert_eq!(
        hand(&mut dialect, number).unwrap(),
        [Seen::Audio(Track::Caller, Place::At(40), vec![0x7e; 4])]
    );
}

#[test]
fn odd_fields_beside_the_audio_cost_no_audio() {
    let (mut dialect, _) = started();
    for media in [
        r#"{"streamSid":5,"sequenceNumber":{},"media":{"chunk":[],"timestamp":"0","payload":"fn5+fg=="},"event":"media"}"#,
        r#"{"event":"media","start":7,"mark":[],"dtmf":null,"lines":"x","media":{"timestamp":0,"payload":"fn5+fg==","x":{}}}"#,
        r#"{"event":"media","media":{"timestamp":"0","payload":"fn5+fg"}}"#,
        r#"{"event":"media","media":{"timestamp":"0","payload":"fn5+\nfg=="}}"#,
        r#"{"\u0065vent":"m\u0065dia","media":{"timestamp":"0","payload":"fn5\u002bfg=="}}"#,
    ] {
        assert_eq!(
            hand(&mut dialect, media).unwrap(),
            [Seen::Audio(Track::Caller, Place::At(0), vec![0x7e; 4])],
            "{media}"
        );
    }
    let slashes = r#"{"event":"media","media":{"timestamp":"0","payload":"\/\/\/\/\/w=="}}"#;
    assert_eq!(
        hand(&mut dialect, slashes).unwrap(),
        [Seen::Audio(Track::Caller, Place::At(0), vec![0xff; 4])]
    );
    let empty = r#"{"event":"media","media":{"timestamp":"0","payload":""}}"#;
    assert_eq!(hand(&mut dialect, empty).unwrap(), [], "no audio is no event");
}

#[test]
fn what_cannot_be_read_is_an_error_that_counts_and_the_stream_goes_on() {
    let deep = format!(r#"{{"event":"media","media":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let long_mark = Provider::new("CA1", "MZ1").mark(&"m".repeat(2_000));
    for (json, kind) in [
        ("", DropKind::Message),
        ("{", DropKind::Message),
        ("null", DropKind::Message),
        ("[]", DropKind::Message),
        ("\"media\"", DropKind::Message),
        ("{}", DropKind::Message),
        (r#"{"event":5}"#, DropKind::Message),
        (r#"{"event":"media"}"#, DropKind::Message),
        (r#"{"event":"media","media":5}"#, DropKind::Message),
        (r#"{"event":"media","media":{}}"#, DropKind::Message),
        (r#"{"event":"media","media":{"payload":5}}"#, DropKind::Message),
        (r#"{"event":"media","media":{"payload":"a"}}"#, DropKind::Audio),
        (r#"{"event":"media","media":{"payload":"****"}}"#, DropKind::Audio),
        (r#"{"event":"media","media":{"track":"third","payload":"fn5+fg=="}}"#, DropKind::Audio),
        (r#"{"event":"media","event":"media"}"#, DropKind::Message),
        (r#"{"event":"mark"}"#, DropKind::Message),
        (r#"{"event":"mark","mark":{"name":5}}"#, DropKind::Message),
        (r#"{"event":"dtmf","dtmf":{}}"#, DropKind::Message),
        (r#"{"event":"dtmf","dtmf":{"digit":"123456789012345678901234567890123"}}"#, DropKind::Message),
        (&long_mark, DropKind::Message),
        (&deep, DropKind::Message),
    ] {
        let (mut dialect, mut provider) = started();
        let error = dialect.handle_message(Message::Text(json)).unwrap_err();
        assert!(!error.is_fatal(), "{error}");
        assert_eq!(polled(&mut dialect), [Seen::Dropped(kind, 1)], "{error}");
        assert_eq!(hand(&mut dialect, &provider.media(Track::Caller, 0, &FRAME)).unwrap().len(), 1);
    }
    let (mut dialect, _) = started();
    assert_eq!(dialect.handle_message(Message::Binary(&FRAME)), Err(ProtocolError::Binary));
    assert_eq!(polled(&mut dialect), [Seen::Dropped(DropKind::Message, 1)]);
}

#[test]
fn unknown_messages_are_no_error_but_counted() {
    let (mut dialect, _) = started();
    let unknown = r#"{"event":"weather","weather":{"deep":[[[[{}]]]]}}"#;
    assert_eq!(hand(&mut dialect, unknown).unwrap(), [Seen::Dropped(DropKind::UnknownMessage, 1)]);
    for field in ["weather", "start", "lines", "at_ms"] {
        let deep = format!(r#"{{"event":"w","{field}":{}{}}}"#, "[".repeat(500_000), "]".repeat(500_000));
        assert_eq!(hand(&mut dialect, &deep).unwrap(), [Seen::Dropped(DropKind::UnknownMessage, 1)]);
    }
}

#[test]
fn what_comes_before_the_start_is_told_behind_it() {
    let (mut dialect, mut provider) = (Twilio::new(Topology::OneWay), Provider::new("CA1", "MZ1"));
    for at_ms in [0, 20] {
        let media = provider.media(Track::Caller, at_ms, &FRAME);
        assert_eq!(hand(&mut dialect, &media), Err(ProtocolError::BeforeStart { event: "media" }));
    }
    assert!(matches!(hand(&mut dialect, &provider.mark("a")), Err(ProtocolError::BeforeStart { .. })));
    assert!(matches!(hand(&mut dialect, &provider.stop()), Err(ProtocolError::BeforeStart { .. })));
    assert_eq!(hand(&mut dialect, r#"{"event":"weather"}"#).unwrap(), []);
    let seen = hand(&mut dialect, &provider.start(&[Track::Caller], &[])).unwrap();
    assert!(matches!(seen[0], Seen::Started { .. }));
    assert_eq!(seen[1..], [Seen::Dropped(DropKind::Message, 4), Seen::Dropped(DropKind::UnknownMessage, 1)]);
}

#[test]
fn a_second_start_is_counted_and_changes_nothing() {
    let (mut dialect, _) = started();
    let other = Provider::new("CA2", "MZ2").start(&[Track::Caller], &[]);
    assert_eq!(dialect.handle_message(Message::Text(&other)), Err(ProtocolError::SecondStart));
    assert_eq!(polled(&mut dialect), [Seen::Dropped(DropKind::Message, 1)]);
}

#[test]
fn audio_that_cannot_be_recorded_is_refused_for_good_and_the_reason_names_the_field() {
    for (field, value) in [
        ("encoding", json!("audio/x-l16")),
        ("encoding", json!(5)),
        ("sampleRate", json!(16_000)),
        ("sampleRate", json!("x")),
        ("channels", json!(2)),
    ] {
        let mut dialect = Twilio::new(Topology::OneWay);
        let start = start_with(|start| start["start"]["mediaFormat"][field] = value.clone());
        let error = hand(&mut dialect, &start).unwrap_err();
        assert!(error.is_fatal());
        assert!(error.to_string().contains(&format!("start.mediaFormat.{field}")), "{error}");
        let mut provider = Provider::new("CA1", "MZ1");
        assert_eq!(
            hand(&mut dialect, &provider.start(&[Track::Caller], &[])).unwrap(),
            [],
            "refused for good"
        );
    }
    for format in
        [Value::Null, json!({}), json!({"encoding": "AUDIO/X-MULAW", "sampleRate": "8000", "channels": 1.0})]
    {
        let start = start_with(|start| start["start"]["mediaFormat"] = format.clone());
        assert!(hand(&mut Twilio::new(Topology::OneWay), &start).is_ok(), "{format}");
    }
}

#[test]
fn a_start_that_names_no_call_or_stream_is_fatal() {
    for sid in [Value::Null, json!(""), json!(5), json!("a".repeat(129)), json!("a\nb")] {
        for field in ["callSid", "streamSid"] {
            let start = start_with(|start| {
                start["start"][field] = sid.clone();
                if field == "streamSid" {
                    start["streamSid"] = Value::Null;
                }
            });
            let error = hand(&mut Twilio::new(Topology::OneWay), &start).unwrap_err();
            assert!(error.is_fatal() && error.to_string().contains(field), "{error}");
        }
    }
    assert!(hand(&mut Twilio::new(Topology::OneWay), r#"{"event":"start"}"#).unwrap_err().is_fatal());
    let outside = start_with(|start| start["start"]["streamSid"] = Value::Null);
    assert!(
        hand(&mut Twilio::new(Topology::OneWay), &outside).is_ok(),
        "the stream's name stands beside it too"
    );
}

#[test]
fn parameters_are_bounded_in_number_and_size_and_the_rest_is_counted() {
    let parameters = |value: Value| {
        let start = start_with(|start| start["start"]["customParameters"] = value);
        let mut seen = hand(&mut Twilio::new(Topology::OneWay), &start).unwrap();
        let dropped = match seen.get(1) {
            Some(Seen::Dropped(DropKind::Parameter, count)) => *count,
            None => 0,
            other => panic!("{other:?}"),
        };
        let Seen::Started { parameters, .. } = seen.remove(0) else { panic!() };
        (parameters, dropped)
    };
    let many: Value =
        (0..250).map(|n| (format!("name{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let (kept, dropped) = parameters(many);
    assert_eq!((kept.len(), dropped), (MAX_PARAMETERS, 150));
    let (kept, dropped) = parameters(json!({ "long": "v".repeat(MAX_PARAMETER), "short": "v" }));
    assert_eq!((kept, dropped), (vec![("short".into(), "v".into())], 1));
    let (kept, dropped) = parameters(json!({ "a": 5, "b": true }));
    assert_eq!((kept, dropped), (vec![("a".into(), "5".into()), ("b".into(), "true".into())], 0));
    assert_eq!(parameters(json!({ "a": {}, "b": [], "c": null })), (vec![], 3));
    assert_eq!(parameters(json!("text")), (vec![], 1));
    assert_eq!(parameters(Value::Null), (vec![], 0));
}

#[test]
fn events_not_polled_between_messages_stay_in_order() {
    let (mut dialect, mut provider) = started();
    for n in 0..3u8 {
        let media = provider.media(Track::Caller, u64::from(n) * 20, &[n; 160]);
        dialect.handle_message(Message::Text(&media)).unwrap();
    }
    let expected: Vec<_> =
        (0..3u8).map(|n| Seen::Audio(Track::Caller, Place::At(u64::from(n) * 20), vec![n; 160])).collect();
    assert_eq!(polled(&mut dialect), expected);
}

#[test]
fn neither_errors_nor_debug_output_tell_what_was_said() {
    let (mut dialect, _) = started();
    for json in [
        r#"{"event":"media","media":{"track":"+15550001111","payload":"fn5+fg=="}}"#,
        r#"{"event":"media","media":{"payload":"+15550001111!"}}"#,
        r#"{"event":"dtmf","dtmf":{"digit":"+15550001111+15550001111+15550001111"}}"#,
        r#"{"event":"media","media":"+15550001111"}"#,
        r#"+15550001111"#,
    ] {
        let error = dialect.handle_message(Message::Text(json)).unwrap_err();
        assert!(
            !format!("{error} {error:?} {dialect:?} {:?}", Message::Text(json)).contains("1555"),
            "{error:?}"
        );
    }
    let secret = start_with(|start| start["start"]["mediaFormat"]["encoding"] = json!("+15550001111"));
    let error = hand(&mut Twilio::new(Topology::OneWay), &secret).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("1555"));
}
