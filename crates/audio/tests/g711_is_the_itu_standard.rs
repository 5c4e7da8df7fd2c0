//! Companding against references written another way: code words by searching the segments of ITU-T G.711's
//! tables, as the G.191 tool library describes them, and values as the middles of their intervals.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_audio::g711::{Law, alaw_to_linear, linear_to_alaw, linear_to_ulaw, ulaw_to_linear};

/// The eight segments of each law as its table lists them: where the segment begins and the width of its 16 steps,
/// in magnitudes of the 16-bit scale.
struct Segment {
    begin: i32,
    step: i32,
}

/// μ-law: the first segment begins half a step below zero, and each is twice as wide as the one before.
fn ulaw_segments() -> Vec<Segment> {
    let (mut segments, mut begin) = (Vec::new(), -4);
    for width in [8, 16, 32, 64, 128, 256, 512, 1024] {
        segments.push(Segment { begin, step: width });
        begin += 16 * width;
    }
    segments
}

/// A-law: two segments of step 16, then each twice as wide as the one before.
fn alaw_segments() -> Vec<Segment> {
    let (mut segments, mut begin) = (Vec::new(), 0);
    for width in [16, 16, 32, 64, 128, 256, 512, 1024] {
        segments.push(Segment { begin, step: width });
        begin += 16 * width;
    }
    segments
}

/// Segment and step (0 to 127) of a magnitude: the last interval that begins at or below it.
fn search(segments: &[Segment], magnitude: i32) -> u8 {
    let mut found = 0;
    for (number, segment) in segments.iter().enumerate() {
        for step in 0..16 {
            if segment.begin + step * segment.step <= magnitude {
                found = number * 16 + step as usize;
            }
        }
    }
    found as u8
}

/// The magnitude as G.191 takes it: the one's complement of a negative sample, less the low bits not used.
fn g191_magnitude(sample: i16, unused_bits: u32) -> i32 {
    let magnitude = if sample < 0 { -i32::from(sample) - 1 } else { i32::from(sample) };
    magnitude / (1 << unused_bits) * (1 << unused_bits)
}

fn reference_ulaw_code(segments: &[Segment], sample: i16) -> u8 {
    let sign = if sample < 0 { 0x00 } else { 0x80 };
    sign | (127 - search(segments, g191_magnitude(sample, 2)))
}

fn reference_alaw_code(segments: &[Segment], sample: i16) -> u8 {
    let sign = if sample < 0 { 0x00 } else { 0x80 };
    (sign | search(segments, g191_magnitude(sample, 4))) ^ 0x55
}

/// The middle of an interval.
fn reference_value(segments: &[Segment], interval: u8) -> i32 {
    let segment = &segments[usize::from(interval / 16)];
    segment.begin + i32::from(interval % 16) * segment.step + segment.step / 2
}

#[test]
fn every_ulaw_code_has_the_value_of_its_interval() {
    let segments = ulaw_segments();
    for code in 0..=255_u8 {
        let magnitude = reference_value(&segments, 127 - (code & 0x7f));
        let expected = if code & 0x80 == 0 { -magnitude } else { magnitude };
        assert_eq!(i32::from(ulaw_to_linear(code)), expected, "code {code:#04x}");
    }
}

#[test]
fn every_alaw_code_has_the_value_of_its_interval() {
    let segments = alaw_segments();
    for code in 0..=255_u8 {
        let magnitude = reference_value(&segments, (code ^ 0x55) & 0x7f);
        let expected = if code & 0x80 == 0 { -magnitude } else { magnitude };
        assert_eq!(i32::from(alaw_to_linear(code)), expected, "code {code:#04x}");
    }
}

#[test]
fn every_sample_gets_the_ulaw_code_of_its_interval() {
    let segments = ulaw_segments();
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(linear_to_ulaw(sample), reference_ulaw_code(&segments, sample), "sample {sample}");
    }
}

#[test]
fn every_sample_gets_the_alaw_code_of_its_interval() {
    let segments = alaw_segments();
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(linear_to_alaw(sample), reference_alaw_code(&segments, sample), "sample {sample}");
    }
}

#[test]
fn a_code_survives_the_way_to_linear_and_back() {
    for code in 0..=255_u8 {
        // Negative zero is a code word of its own, but in linear samples there is one zero only.
        let expected = if code == 0x7f { 0xff } else { code };
        assert_eq!(linear_to_ulaw(ulaw_to_linear(code)), expected, "mu-law {code:#04x}");
        assert_eq!(linear_to_alaw(alaw_to_linear(code)), code, "A-law {code:#04x}");
    }
}

#[test]
fn known_words_have_known_values() {
    for (code, value) in [
        (0x00, -32_124),
        (0x80, 32_124),
        (0xff, 0),
        (0x7f, 0),
        (0xfe, 8),
        (0x7e, -8),
        (0xf0, 120),
        (0xef, 132),
    ] {
        assert_eq!(ulaw_to_linear(code), value, "mu-law {code:#04x}");
    }
    for (code, value) in
        [(0xd5, 8), (0x55, -8), (0x2a, -32_256), (0xaa, 32_256), (0x80, 5_504), (0x00, -5_504), (0xd4, 24)]
    {
        assert_eq!(alaw_to_linear(code), value, "A-law {code:#04x}");
    }
    // The digital milliwatt of G.711, tables 5 and 6: one period of 1 kHz at 0 dBm0.
    let milliwatt = [0x1e_u8, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e];
    let linear: Vec<i16> = milliwatt.iter().map(|&code| ulaw_to_linear(code)).collect();
    assert_eq!(linear, [-8_828, -20_860, -20_860, -8_828, 8_828, 20_860, 20_860, 8_828]);
    let milliwatt = [0x34_u8, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4];
    let linear: Vec<i16> = milliwatt.iter().map(|&code| alaw_to_linear(code)).collect();
    assert_eq!(linear, [-8_960, -20_992, -20_992, -8_960, 8_960, 20_992, 20_992, 8_960]);
}

#[test]
fn the_extremes_stay_at_the_extremes() {
    assert_eq!([linear_to_ulaw(i16::MIN), linear_to_ulaw(i16::MAX)], [0x00, 0x80]);
    assert_eq!([linear_to_alaw(i16::MIN), linear_to_alaw(i16::MAX)], [0x2a, 0xaa]);
}

#[test]
fn slices_are_converted_as_their_samples_are_and_appended() {
    let pcm: Vec<i16> = (i16::MIN..=i16::MAX).step_by(7).collect();
    for (law, encode, decode) in [
        (Law::Mulaw, linear_to_ulaw as fn(i16) -> u8, ulaw_to_linear as fn(u8) -> i16),
        (Law::Alaw, linear_to_alaw, alaw_to_linear),
    ] {
        let mut codes = vec![1, 2];
        law.encode(&pcm, &mut codes);
        assert_eq!(codes[..2], [1, 2]);
        assert!(codes[2..].iter().copied().eq(pcm.iter().map(|&sample| encode(sample))));
        let mut back = vec![3];
        law.decode(&codes, &mut back);
        assert_eq!(back[0], 3);
        assert!(back[1..].iter().copied().eq(codes.iter().map(|&code| decode(code))));
        assert!(decode(law.silence()).abs() <= 8);
        assert_eq!(encode(0), law.silence());
    }
}
