//! The tag in front of an MP3: ID3v2.4 with texts in UTF-8.
//!
//! Source: the informal standards "ID3 tag version 2.4.0 - Main Structure" and "- Native Frames" at id3.org.

use crate::spec::Tags;

/// The whole tag; empty if there is nothing to say.
pub(crate) fn tag(tags: &Tags) -> Vec<u8> {
    let mut frames = Vec::new();
    for (id, text) in [(*b"TIT2", &tags.title), (*b"TDRC", &tags.date), (*b"TSSE", &tags.encoder)] {
        if let Some(text) = text {
            frames.extend(id);
            frames.extend(synchsafe(text.len() + 1));
            frames.extend([0, 0]); // no flags
            frames.push(3); // UTF-8
            frames.extend(text.as_bytes());
        }
    }
    if frames.is_empty() {
        return frames;
    }
    let mut out = b"ID3\x04\x00\x00".to_vec();
    out.extend(synchsafe(frames.len()));
    out.extend(frames);
    out
}

/// Bytes of a tag that tell its length.
pub(crate) const HEAD: usize = 10;

/// How long the tag is that begins with these bytes; zero if they begin none.
pub(crate) fn length(head: &[u8; HEAD]) -> u64 {
    let [i, d, three, _, _, _, length @ ..] = head;
    if [*i, *d, *three] != *b"ID3" {
        return 0;
    }
    HEAD as u64 + length.iter().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f))
}

/// A length in four bytes of seven bits, so that it never looks like the beginning of an audio frame.
fn synchsafe(length: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (length >> shift) as u8 & 0x7f)
}
