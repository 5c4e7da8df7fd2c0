//! Any bytes give events or an error, never a panic, on either side.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_protocol::twilio::outgoing::{self, Provider};
use callrec_protocol::twilio::{BotSide, Twilio};
use callrec_protocol::{Dialect, Message, signature};
use callrec_session::{Speaker, Topology, Track};
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
    fn any_message_is_survived_however_it_is_bent(
        which in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        bends in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..5),
    ) {
        let messages = every_message();
        let (mut bytes, other) = (which.get(&messages).clone().into_bytes(), other.get(&messages).as_bytes());
        for (at, byte, how) in &bends {
            let at = at.index(bytes.len() + 1);
            match how {
                0 if at < bytes.len() => bytes[at] = *byte,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, *byte),
                _ => drop(bytes.splice(at.., other.iter().skip(usize::from(*byte)).copied())),
            }
        }
        let bent = String::from_utf8_lossy(&bytes);
        swallow(&[Message::Text(&bent), Message::Binary(&bytes)]);
    }

    #[test]
    fn any_request_is_validated_or_not(
        url in any::<String>(), fields in prop::collection::vec((any::<String>(), any::<String>()), 0..5),
        body in any::<Vec<u8>>(), offered in any::<String>(),
    ) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut urls = vec![url.clone()];
        urls.extend(signature::websocket_urls(&url, &offered));
        urls.extend(signature::webhook_urls(&url, &offered));
        prop_assert!(!signature::validate_request("token", &urls, &fields, &offered));
        prop_assert!(!signature::validate_json("token", &urls, &body, &offered));
        let signed = signature::sign_form("token", &url, &fields);
        prop_assert!(signature::validate_request("token", &[url], &fields, &signed));
    }
}

/// Every kind of message of either side.
fn every_message() -> Vec<String> {
    let mut provider = Provider::new("CA1", "MZ1");
    vec![
        provider.connected(),
        provider.start(&[Track::Caller, Track::Assistant], &[("name", "value"), ("other", "\"\u{fc}\"")]),
        provider.media(Track::Caller, 20, &[0xff, 0x00, 0x55]),
        provider.dtmf("#"),
        provider.mark("callrec-1"),
        provider.stop(),
        outgoing::media("MZ1", &[0x55; 20]),
        outgoing::mark("MZ1", "a"),
        outgoing::clear("MZ1"),
        outgoing::transcript(Speaker::Assistant, "Good morning", Some(1_200)),
        r#"{"event":"transcript","lines":[{"speaker":"caller","text":"a b","word_ms":[0,5]},7]}"#.to_owned(),
    ]
}
