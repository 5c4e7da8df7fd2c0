//! What fuzzing begins with: inputs that callrec understands, written by callrec. `cargo run -p callrec-fuzz --example
//! seeds` puts them into `seeds/`.

use callrec_protocol::twilio::outgoing::{self, Provider};
use callrec_session::{
    Codec, DropKind, EndReason, Event, Place, Speaker, StreamStart, Topology, Track, wire,
};
use callrec_store::{JournalKey, encode_record};
use std::borrow::Cow;

use crate::audio::SAMPLES;

/// An input of a target: the target's name, the input's, and its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// Every seed.
pub fn seeds() -> Vec<Seed> {
    let mut all = Vec::new();
    provider(&mut all);
    bot(&mut all);
    records(&mut all);
    settings(&mut all);
    bodies(&mut all);
    audio(&mut all);
    all
}

fn put(all: &mut Vec<Seed>, target: &'static str, name: impl Into<String>, parts: &[&[u8]]) {
    all.push((target, name.into(), parts.concat()));
}

const PARAMETERS: [(&str, &str); 2] = [("audio_format", "flac"), ("from", "+15550001111 \"\u{fc}\"")];

fn provider(all: &mut Vec<Seed>) {
    let mut provider = Provider::new("CA1", "MZ1");
    let frame = [0xff, 0x7f, 0x80, 0x00, 0x55, 0xd5];
    let one_way = [
        provider.connected(),
        provider.start(&[Track::Caller, Track::Assistant], &PARAMETERS),
        provider.media(Track::Caller, 0, &frame),
        provider.media(Track::Assistant, 20, &frame),
        provider.dtmf("#"),
        provider.stop(),
    ];
    put(all, "provider", "one-way", &[b"\0", one_way.join("\n").as_bytes()]);
    let mut provider = Provider::new("CA1", "MZ1");
    let relay = [
        provider.media(Track::Caller, 0, &frame),
        provider.start(&[Track::Caller], &[]),
        provider.media(Track::Caller, 5, &[0xff; 160]),
        provider.mark("callrec-0123456789abcdef-1"),
        provider.start(&[Track::Caller], &[]),
        provider.media(Track::Caller, 3_600_000, &[0x00; 320]),
    ];
    put(all, "provider", "relay", &[b"\x01", relay.join("\n").as_bytes()]);
    let start = r#"{"event":"start","start":{"streamSid":"MZ1","callSid":"CA1"}}"#;
    for (name, line) in [
        ("no-format", r#"{"event":"media","media":{"payload":"/38A"}}"#),
        (
            "number-as-text",
            r#"{"event":"media","media":{"track":"inbound_track","timestamp":"5e3","payload":"\/3 8="}}"#,
        ),
        ("number", r#"{"event":"media","media":{"track":"outbound","timestamp":5.9,"payload":"/38A"}}"#),
        (
            "odd-time",
            r#"{"event":"media","media":{"track":"inbound","timestamp":null,"payload":"/38A/w=="}}"#,
        ),
        ("unknown", r#"{"event":"later","later":{}}"#),
        ("escapes", r#"{"event":"mark","mark":{"name":"\u00fc\ud83d\ude00\n"}}"#),
        ("close", r#"{"event":"close"}"#),
        ("twice", r#"{"event":"media","event":"mark","mark":{"name":"a"}}"#),
    ] {
        put(all, "provider", name, &[b"\x01", start.as_bytes(), b"\n", line.as_bytes()]);
    }
    let format = r#"{"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","tracks":["outbound_track"],"customParameters":{"a":1,"b":"c","b":"d"},"mediaFormat":{"encoding":"AUDIO/X-MULAW","sampleRate":"8000","channels":1.0}}}"#;
    put(all, "provider", "formats", &[b"\0", format.as_bytes()]);
    put(all, "provider", "binary", &[b"\0", start.as_bytes(), b"\n\xff\xfe\n{}"]);
}

fn bot(all: &mut Vec<Seed>) {
    let lines = r#"{"event":"transcript","lines":[{"speaker":"caller","text":"Hello"},{"speaker":"assistant","text":"Good morning to you","at_ms":"20","word_ms":[0,120,300,400]},5]}"#;
    let talk = [
        outgoing::media("MZ1", &[0x55; 400]),
        outgoing::mark("MZ1", "greeting"),
        outgoing::transcript(Speaker::Assistant, "Good morning", Some(1_200)),
        lines.to_owned(),
        outgoing::media("MZ1", &[0x2a; 160]),
        outgoing::clear("MZ1"),
        outgoing::media("MZ1", &[0x2b; 160]),
    ];
    for wait in [b'\0', b'\x1b', b'P'] {
        let talk: Vec<Vec<u8>> = talk.iter().map(|line| [&[wait], line.as_bytes(), b"\n"].concat()).collect();
        put(all, "bot", format!("talk-{wait}"), &[&talk.concat()]);
    }
    for (name, line) in [
        ("system", r#"{"event":"transcript","speaker":"system","text":" transferred ","at_ms":null}"#),
        ("no-padding", r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/38\nA/w"}}"#),
        ("unknown", r#"{"event":"later"}"#),
        ("no-name", r#"{"event":"mark","mark":{}}"#),
        ("digit", r#"{"event":"mark","mark":{"digit":"x"}}"#),
        ("odd-lines", r#"{"event":"transcript","lines":{"speaker":"caller"},"text":"x"}"#),
    ] {
        put(all, "bot", name, &[b"\x1b", line.as_bytes()]);
    }
}

fn records(all: &mut Vec<Seed>) {
    let start = StreamStart::new("CA1", "MZ1", Topology::Relay);
    let audio = |track, place, codec, bytes| Event::Audio { track, place, codec, bytes };
    let events = [
        Event::Started(Cow::Owned(start)),
        audio(Track::Caller, Place::At(0), Codec::Mulaw, &[0x10; 160]),
        audio(Track::Assistant, Place::Queued, Codec::Mulaw, &[0x20; 480]),
        Event::MarkSent { name: "callrec-1" },
        Event::Said { speaker: Speaker::Assistant, text: "Good morning to you", at_ms: None },
        Event::WordTimes { starts_ms: Cow::Borrowed(&[0, 10, 20, 30]) },
        audio(Track::Caller, Place::At(20), Codec::Alaw, &[0x30; 160]),
        Event::MarkEchoed { name: "callrec-1" },
        Event::Cleared,
        audio(Track::Assistant, Place::Untimed, Codec::Pcm16, &[0x40; 320]),
        Event::Omitted { track: Track::Caller, place: Place::At(60), samples: 160 },
        Event::Dtmf { digit: "5" },
        Event::Dropped { what: DropKind::Message, count: 2 },
        Event::Said { speaker: Speaker::Caller, text: "Hello", at_ms: Some(40) },
        Event::Over,
        Event::Ended { reason: EndReason::Stopped },
    ];
    let header = br#"{"start":{"call":"CA1"},"record_audio":true}"#;
    let (mut told, mut journal, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for (index, event) in events.iter().enumerate() {
        let mut payload = Vec::new();
        let kind = wire::encode(event, &mut payload);
        let len = (payload.len() as u16).to_le_bytes();
        let wait = [20, 0];
        told.extend([&[kind], &wait[..], &len, &payload].concat());
        again.extend([&[kind], &wait[..], &len, &payload].concat());
        encode_record(JournalKey::new(0x5eed), index as u64 * 20_000, kind, &payload, &mut journal)
            .expect("a short record");
        let alone = [&[0, kind], &wait[..], &len, &payload].concat();
        put(all, "events", format!("kind-{kind}-{index}"), &[&alone]);
    }
    for how in [0, 1, 3, 5, 7, 9] {
        put(
            all,
            "events",
            format!("call-{how}"),
            &[&[how], if how & 6 == 6 { &[0x44, 0xac] } else { &[] }, &told],
        );
    }
    let len = (header.len() as u32).to_le_bytes();
    let head =
        [b"callrecJ", &2_u32.to_le_bytes()[..], &len, &0x5eed_u32.to_le_bytes(), &[0; 4], header].concat();
    put(all, "journal", "sealed", &[b"\x01", &head, &journal]);
    put(all, "journal", "sealed-torn", &[b"\x01", &head, &journal, &[0; 40]]);
    put(all, "journal", "sealed-long", &[b"\x01", &head, &[0xff, 0xff, 0, 0], &[0; 13], &journal]);
    put(all, "journal", "as-it-is", &[b"\0", &head, &journal]);
    put(all, "journal", "empty", &[b"\0"]);
    let written = [&[2, header.len() as u8], &header[..], &[events.len() as u8], &again].concat();
    put(all, "journal", "written", &[&written]);
    for what in 0..6_u8 {
        for at in [5_u16, 70, 300] {
            let damage = [&[what], &at.to_le_bytes()[..], &[40]].concat();
            put(all, "journal", format!("damaged-{what}-{at}"), &[&written, &damage]);
        }
    }
}

fn settings(all: &mut Vec<Seed>) {
    let file = include_bytes!("../../audio_config.env");
    put(all, "settings", "ours", &[file]);
    put(
        all,
        "settings",
        "others",
        &[b"\0OTHER='a b'\nexport BOT_URL=\"wss://bot.example.com/x?y=z\" # the bot\n"],
    );
    let environment = "HOST=0.0.0.0\nPORT=0\nPUBLIC_URL=https://calls.example.com/a/\nAPI_TOKEN=0123456789abcdef\nTWILIO_AUTH_TOKEN=def\nAUDIO_SAMPLE_RATE=44100\nAUDIO_CHANNELS=mono\nOGG_QUALITY=-1\nFLAC_LEVEL=8\nWAV_ENCODING=mulaw\nMP3_BITRATE=64\nRUST_LOG=warn,callrec=debug\nLOG_FORMAT=json\nRELAY_MARKS=off\nMARK_ECHOES=before\nNEXT_TWIML_URL=https://example.com/twiml\nMAX_CALLS=5\nSHUTDOWN_SECONDS=600";
    put(all, "settings", "environment", &[b"\0\0", environment.as_bytes()]);
    for (index, line) in environment.lines().enumerate() {
        put(all, "settings", format!("line-{index}"), &[line.as_bytes(), b"\n\0A=${HOST:-x}\n\0PORT=1"]);
    }
    put(all, "settings", "open", &[b"\0\0HOST=::"]);
}

fn bodies(all: &mut Vec<Seed>) {
    put(all, "bodies", "form", &[b"\0CallSid=CA1&From=%2B15550001111&Empty=&a=b+c%FF&a=b"]);
    for (name, body) in [
        ("line", r#"{"speaker":"assistant","text":"Good morning","at_ms":1200,"word_ms":[0,400]}"#),
        ("lines", r#"[{"speaker":"caller","text":"a"},{"speaker":"system","text":"b"}]"#),
        ("lines-named", r#"{"lines":[{"speaker":"caller","text":"\u00fc"}]}"#),
        ("no-lines", r#"{"lines":[],"more":1}"#),
        ("unknown", r#"{"speaker":"nobody","text":"a","other":1}"#),
    ] {
        put(all, "bodies", name, &[b"\x01", body.as_bytes()]);
    }
    for (name, body) in [
        ("query", "format=mp3&bitrate=64k\n"),
        ("wish", "\n{\"format\":\"flac\",\"bitrate\":128}"),
        ("both", "bitrate=8\n{\"format\":\"wav\",\"bitrate\":\"320k\"}"),
        ("unknown-format", "format=aiff\n "),
    ] {
        put(all, "bodies", name, &[b"\x02", body.as_bytes()]);
    }
    put(all, "bodies", "sid", &[b"\x03CA0123456789abcdef0123456789abcdef"]);
    put(all, "bodies", "bad-sid", &[b"\x03../../etc"]);
}

fn audio(all: &mut Vec<Seed>) {
    for (index, sample) in SAMPLES.iter().enumerate() {
        put(all, "audio", format!("file-{index}"), &[&[index as u8], &sample.file]);
        for what in 0..6_u8 {
            let damage = [128 + index as u8, what, 40 + 9 * what, 0, 77];
            put(all, "audio", format!("damaged-{index}-{what}"), &[&damage]);
        }
    }
}
