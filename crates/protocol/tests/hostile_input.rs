//! Any bytes give events or an error, never a panic, on either side.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_protocol::twilio::{BotSide, Twilio, outgoing::Provider};
use callrec_protocol::{Dialect, Message};
use callrec_session::{Topology, Track};
use proptest::prelude::*;

/// JSON with the protocol's own names in odd places.
fn json() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "event",
        "media",
        "start",
        "stop",
        "mark",
        "dtmf",
        "clear",
        "transcript",
        "lines",
        "speaker",
        "text",
        "at_ms",
        "payload",
        "track",
        "timestamp",
        "name",
        "digit",
        "streamSid",
        "callSid",
        "tracks",
        "customParameters",
        "mediaFormat",
        "encoding",
        "sampleRate",
        "channels",
        "inbound",
        "outbound",
        "caller",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        name.clone().prop_map(|name| format!("\"{name}\"")),
        Just("\"fn5+fg==\"".to_owned()),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name.clone(), inner), 0..8).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

fn swallow(messages: &[Message<'_>]) {
    let mut bot = BotSide::new();
    let mut fresh = Twilio::new(Topology::Relay);
    let mut running = Twilio::new(Topology::Relay);
    running.handle_message(Message::Text(&Provider::new("CA1", "MZ1").start(&[Track::Caller], &[]))).unwrap();
    for message in messages {
        for dialect in [&mut fresh, &mut running] {
            let _ = dialect.handle_message(*message).map_err(|error| error.to_string());
            while let Some(event) = dialect.poll_event() {
                let _ = format!("{event:?}");
            }
        }
        let _ = bot.handle_message(*message).map_err(|error| error.to_string());
        while bot.poll_event().is_some() {}
    }
}

proptest! {
    #[test]
    fn any_text_and_any_bytes_are_survived(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        swallow(&[Message::Text(&text), Message::Binary(&bytes)]);
    }

    #[test]
    fn any_json_of_the_protocols_words_is_survived(texts in prop::collection::vec(json(), 1..6)) {
        let messages: Vec<_> = texts.iter().map(|text| Message::Text(text)).collect();
        swallow(&messages);
    }

    #[test]
    fn any_cut_or_bent_message_is_survived(at in 0usize..400, byte in any::<u8>()) {
        let whole = Provider::new("CA1", "MZ1").start(&[Track::Caller], &[("name", "value")]);
        let at = at % whole.len();
        let mut bent = whole.clone().into_bytes();
        bent[at] = byte;
        let bent = String::from_utf8_lossy(&bent);
        swallow(&[Message::Text(&whole[..at]), Message::Text(&bent)]);
    }
}
