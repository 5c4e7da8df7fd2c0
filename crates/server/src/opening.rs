//! What opens a stream, as whoever reads it: a bot must not find in a message what was not found here.
//!
//! The `start` says whose call a stream is, and by that its token is checked. Readers of JSON differ, though: where a key is
//! there twice one takes the first and another the last, and some take `CallSid` for `callSid`. So a message counts as what it
//! says only if there is one way to read it; anything else is kept from the bot.

use crate::stream_tokens::PARAMETER;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What a message is that comes before the start of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The provider's greeting.
    Connected,
    /// The start of a stream; none if there is more than one way to read it.
    Start(Option<Asked>),
    /// Nothing that a bot should see.
    Other,
}

/// What a start asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The SID of the call.
    pub(crate) call: String,
    /// The token that our TwiML gave it, if it has one.
    pub(crate) token: Option<String>,
}

impl Opening {
    pub(crate) fn read(json: &str) -> Self {
        // Whoever reads less strictly may find a start in what is none here.
        let Some([event, start]) = fields(json, ["event", "start"]) else { return Self::Other };
        match event.and_then(text).as_deref() {
            Some("connected") => Self::Connected,
            Some("start") => Self::Start(start.and_then(Asked::read)),
            _ => Self::Other,
        }
    }
}

/// Whether a message that follows the start might be another start, to whoever reads it.
pub(crate) fn may_be_a_start(json: &str) -> bool {
    // An escape may stand for any letter. Base64 has neither escapes nor quotes, so audio is seldom read twice.
    if !json.contains('\\') && !json.contains("\"start\"") {
        return false;
    }
    fields(json, ["event"]).is_none_or(|[event]| event.and_then(text).as_deref() == Some("start"))
}

impl Asked {
    fn read(start: &RawValue) -> Option<Self> {
        let [call, parameters] = fields(start.get(), ["callSid", "customParameters"])?;
        let token = match parameters.filter(|raw| raw.get() != "null") {
            Some(parameters) => fields(parameters.get(), [PARAMETER])?[0].and_then(text),
            None => None,
        };
        Some(Self { call: text(call?)?, token })
    }
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// The fields of an object with these names. None if it is no object, or has one of them twice or in other letters.
fn fields<'a, const N: usize>(json: &'a str, names: [&'static str; N]) -> Option<[Option<&'a RawValue>; N]> {
    let mut json = serde_json::Deserializer::from_str(json);
    let found = json.deserialize_map(Named(names)).ok()?;
    json.end().ok()?;
    Some(found)
}

struct Named<const N: usize>([&'static str; N]);

impl<'de, const N: usize> Visitor<'de> for Named<N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some((key, value)) = map.next_entry::<Cow<'_, str>, &RawValue>()? {
            let Some(index) = self.0.iter().position(|name| folded(name).eq(folded(&key))) else { continue };
            if key != self.0[index] || found[index].replace(value).is_some() {
                return Err(A::Error::custom("some readers take another field for it"));
            }
        }
        Ok(found)
    }
}

/// The same for all texts that a reader may take for one another who does not mind the case of letters: up and down again, for some
/// letters, such as the long s, have but one of the two.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(fields: &str) -> Opening {
        Opening::read(&format!(r#"{{"event":"start","streamSid":"MZ1","start":{fields}}}"#))
    }

    fn asked(call: &str, token: Option<&str>) -> Opening {
        Opening::Start(Some(Asked { call: call.to_owned(), token: token.map(str::to_owned) }))
    }

    #[test]
    fn what_can_be_read_in_one_way_is_what_it_says() {
        assert_eq!(Opening::read(r#"{"event":"connected","protocol":"Call"}"#), Opening::Connected);
        assert_eq!(Opening::read(r#"{"event":"media","media":{}}"#), Opening::Other);
        assert_eq!(start(r#"{"callSid":"CA1"}"#), asked("CA1", None));
        assert_eq!(start(r#"{"callSid":"CA1","customParameters":null}"#), asked("CA1", None));
        let with_token =
            r#"{"callSid":"CA1","customParameters":{"From":"1","from":"2","callrec_token":"t"}}"#;
        assert_eq!(start(with_token), asked("CA1", Some("t")));
        assert_eq!(start(r#"{"c\u0061llSid":"CA1"}"#), asked("CA1", None), "an escape is but a letter");
        assert_eq!(
            start(r#"{"callSid":"CA1","url":1,"Url":2,"\u00fc":3}"#),
            asked("CA1", None),
            "of others there may be two"
        );
    }

    #[test]
    fn a_start_that_can_be_read_in_two_ways_asks_for_nothing() {
        for fields in [
            r#"{"callSid":"CA9","callSid":"CA1"}"#,
            r#"{"callSid":"CA9","CallSid":"CA1"}"#,
            r#"{"callSid":"CA9","call\u0053id":"CA1"}"#,
            r#"{"callſid":"CA1","callSid":"CA9"}"#,
            r#"{"CallSid":"CA1"}"#,
            r#"{"callSid":["CA1"]}"#,
            r#"{"callSid":"CA1","customParameters":{"callrec_token":"a","callrec_token":"b"}}"#,
            r#"{}"#,
            "null",
        ] {
            assert_eq!(start(fields), Opening::Start(None), "{fields}");
        }
        let two = r#"{"event":"start","start":{"callSid":"CA9"},"Start":{"callSid":"CA1"}}"#;
        assert_eq!(Opening::read(two), Opening::Other);
        for other in ["", "[]", r#"["start"]"#, "\u{feff}{\"event\":\"start\"}", r#"{"event":"start"} x"#] {
            assert_eq!(Opening::read(other), Opening::Other, "{other}");
        }
    }

    #[test]
    fn a_message_that_some_reader_takes_for_a_start_is_one() {
        for json in [
            r#"{"event":"start"}"#,
            r#"{"event":"st\u0061rt"}"#,
            r#"{"event":"media","event":"start"}"#,
            r#"{"event":"media","Event":"start"}"#,
            r#"{"Event":"start"}"#,
            r#"{"event":"start"} {}"#,
        ] {
            assert!(may_be_a_start(json), "{json}");
        }
        for json in [
            r#"{"event":"media","media":{"payload":"\/w=="}}"#,
            r#"{"event":"mark","mark":{"name":"start"}}"#,
            r#"{"event":"restart"}"#,
            r#"{"x":"\u00fc"}"#,
            "anything",
        ] {
            assert!(!may_be_a_start(json), "{json}");
        }
    }
}
