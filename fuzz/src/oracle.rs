//! A second reading of messages, by other means: slow, and simple enough to be believed.

use serde_json::Value;

/// The message as JSON, if it is.
pub(crate) fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// The kind of a message.
pub(crate) fn event(message: &Value) -> Option<&str> {
    message.get("event")?.as_str()
}

/// The audio in a message, if it is base64: standard alphabet, padding and white space where they may be left out or not.
pub(crate) fn payload(message: &Value) -> Option<Vec<u8>> {
    base64(message.get("media")?.get("payload")?.as_str()?)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut digits: Vec<u8> =
        text.bytes().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)).collect();
    if digits.len().is_multiple_of(4) {
        for _ in 0..2 {
            digits.pop_if(|digit| *digit == b'=');
        }
    }
    if digits.len() % 4 == 1 {
        return None;
    }
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}
