//! The JSON of the messages, read leniently: a field of an odd type costs that field, never the audio beside it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Text borrowed from the message where it has no escapes. (`Option<Cow<str>>` by itself always copies, and `&str`
/// refuses escapes, such as the `\/` of some JSON writers in base64.)
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}

/// Every message of either direction: the discriminator, and what may stand beside it. All but the audio is read a
/// second time where it is wanted, which is rare.
#[derive(serde::Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(super) event: Option<Text<'a>>,
    #[serde(borrow, default, rename = "streamSid")]
    pub(super) stream: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) media: Option<Media<'a>>,
    #[serde(borrow, default)]
    pub(super) start: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) mark: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) dtmf: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) lines: Option<&'a RawValue>,
    pub(super) speaker: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) at_ms: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) word_ms: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
pub(super) struct Media<'a> {
    #[serde(borrow, default)]
    pub(super) track: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) timestamp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) payload: Option<Text<'a>>,
}

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Start<'a> {
    #[serde(borrow)]
    pub(super) stream_sid: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) call_sid: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tracks: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) custom_parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) media_format: Option<&'a RawValue>,
}

#[derive(serde::Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MediaFormat<'a> {
    #[serde(borrow)]
    pub(super) encoding: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) sample_rate: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) channels: Option<&'a RawValue>,
}

/// The one field of interest in `mark` and `dtmf`.
#[derive(serde::Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow, default, alias = "digit")]
    pub(super) name: Option<&'a RawValue>,
}

/// One line of a transcript from a bot.
#[derive(serde::Deserialize)]
pub(super) struct SpokenLine<'a> {
    #[serde(borrow, default)]
    pub(super) speaker: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) at_ms: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) word_ms: Option<&'a RawValue>,
}

/// An object's entries in their order, the repeated ones too.
pub(super) struct Entries<'a>(pub(super) Vec<(Text<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// The text of a raw value, if it is text.
pub(super) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(raw?.get()).ok().map(|text| text.0)
}

/// A whole number of at least zero, written as a number or as text; a fraction is cut off. Anything else is `None`.
pub(super) fn number(raw: Option<&RawValue>) -> Option<u64> {
    /// Above it an `f64` has no unit digit any more.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let written = raw?.get();
    let digits = written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(written).trim();
    if let Ok(number) = digits.parse::<u64>() {
        return Some(number);
    }
    let number = digits.parse::<f64>().ok().filter(|number| (0.0..=EXACT).contains(number))?;
    Some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_numbers_and_as_text_and_odd_ones_not_at_all() {
        let read = |json: &str| number(Some(serde_json::from_str::<&RawValue>(json).unwrap()));
        for (json, expected) in [
            ("5", Some(5)),
            ("\"5\"", Some(5)),
            ("\" 5 \"", Some(5)),
            ("5.9", Some(5)),
            ("\"5e3\"", Some(5_000)),
            ("18446744073709551615", Some(u64::MAX)),
            ("-0.0", Some(0)),
            ("-1", None),
            ("\"-1\"", None),
            ("1e400", None),
            ("18446744073709551616", None),
            ("\"NaN\"", None),
            ("\"inf\"", None),
            ("\"abc\"", None),
            ("\"\"", None),
            ("true", None),
            ("null", None),
            ("{\"a\":1}", None),
            ("[1]", None),
        ] {
            assert_eq!(read(json), expected, "{json}");
        }
        assert_eq!(number(None), None);
    }

    #[test]
    fn text_without_escapes_is_borrowed_and_with_them_read_right() {
        let raw = |json| Some(serde_json::from_str::<&RawValue>(json).unwrap());
        assert!(matches!(text(raw("\"a/b\"")), Some(Cow::Borrowed("a/b"))));
        assert_eq!(text(raw(r#""a\/b""#)).as_deref(), Some("a/b"));
        assert_eq!(text(raw("5")), None);
    }
}
