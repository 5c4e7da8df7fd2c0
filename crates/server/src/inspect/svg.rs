//! A picture of a call: both waveforms on a time axis, with what was cut and what is missing.

mod row;
mod waves;

use super::report::format_words;
use super::times::{clock_ms, row_ms};
use callrec::GapWhy;
use callrec::inspect::{Inspection, StreamInspection};
use callrec::one_line;
use row::Row;
use std::fmt::Write as _;

/// The picture's width, and where its time axis begins and ends.
const WIDTH: u32 = 1280;
const LEFT: f64 = 96.0;
const RIGHT: f64 = 1256.0;

const STYLE: &str = "
  svg { color-scheme: light dark; --paper: #ffffff; --ink: #1f2933; --faint: #7b8794; --line: #e4e7eb; --row: #f7f9fb;
        --caller: #0b7a75; --assistant: #b35c00; --wrong: #c81e3a; font: 13px system-ui, 'DejaVu Sans', sans-serif }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #14191f; --ink: #e4e7eb; --faint: #8b98a5; --line: #2b333c; --row: #1a2129;
          --caller: #38c6bd; --assistant: #f0a13a; --wrong: #ff5a71 }
  }
  .paper { fill: var(--paper) } .row { fill: var(--row) } text { fill: var(--ink) }
  .title { font-size: 20px; font-weight: 600 } .sub, .time, .key { fill: var(--faint) } .time { font-size: 11px }
  .grid { stroke: var(--line) } .base { stroke: var(--line) }
  .caller, .both { fill: var(--caller) } .assistant { fill: var(--assistant) } .peak { opacity: .38 }
  .name { font-weight: 600; text-anchor: end }
  .spurt { stroke: var(--assistant); stroke-width: 3; stroke-linecap: butt } .modelled { stroke-dasharray: 4 3 }
  .cut { stroke: var(--wrong); stroke-width: 2 } .cutmark { fill: var(--wrong); font-size: 11px }
  .unheard { fill: url(#unheard); stroke: var(--wrong); stroke-dasharray: 3 3 }
  .lost { fill: var(--wrong) } .late { fill: url(#late); stroke: var(--faint) }
  .hatch { stroke: var(--wrong); stroke-width: 1; opacity: .45 } .hatch2 { stroke: var(--faint); stroke-width: 1.5 }
";

/// The whole picture.
pub(super) fn picture(inspection: &Inspection, row: Option<u64>) -> String {
    let mut body = String::new();
    let mut y = 40.0;
    let call = inspection.call.as_deref().map_or("A recording".to_owned(), |call| format!("Call {call}"));
    let _ = writeln!(body, r#"<text class="title" x="24" y="{y}">{}</text>"#, escaped(&call));
    for stream in &inspection.streams {
        y += 24.0;
        let about = about(stream, inspection.streams.len());
        let _ = writeln!(body, r#"<text class="sub" x="24" y="{y}">{}</text>"#, escaped(&about));
        for remark in &stream.remarks {
            y += 18.0;
            let _ = writeln!(body, r#"<text class="sub" x="24" y="{y}">{}</text>"#, escaped(remark));
        }
        y += 16.0;
        if stream.tracks.is_empty() {
            continue;
        }
        let length_ms = row_ms(stream.duration_ms, row);
        let gain = waves::gain(&stream.tracks);
        let mut from_ms = 0;
        while from_ms < stream.duration_ms {
            y = Row { stream, from_ms, length_ms, top: y, gain }.draw(&mut body);
            from_ms += length_ms;
        }
        y += 6.0;
        legend(stream, y + 12.0, &mut body);
        y += 24.0;
    }
    let height = y.ceil() as u32 + 12;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">
<title>{}</title>
<style>{STYLE}</style>
<defs>
<pattern id="unheard" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern>
<pattern id="late" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path class="hatch2" d="M0 0V5"/></pattern>
</defs>
<rect class="paper" width="100%" height="100%"/>
{body}</svg>
"##,
        escaped(&call)
    )
}

fn about(stream: &StreamInspection, streams: usize) -> String {
    let mut parts = Vec::new();
    if streams > 1 {
        parts.push(format!("stream {} of {streams}", stream.number));
    }
    parts.extend(stream.started_at.map(|began| began.to_string()));
    parts.push(clock_ms(stream.duration_ms));
    parts.extend(stream.format.as_ref().map(format_words));
    parts.extend(stream.ended.map(|reason| reason.to_string()));
    match stream.complete {
        Some(true) => parts.push("complete".to_owned()),
        Some(false) => parts.push("incomplete".to_owned()),
        None => {}
    }
    parts.join("  ·  ")
}

/// What the signs mean; those that occur.
fn legend(stream: &StreamInspection, y: f64, body: &mut String) {
    let mut x = LEFT;
    let mut key = |sign: &str, meaning: &str| {
        let _ = writeln!(
            body,
            r#"<g transform="translate({x} {y})">{sign}<text class="key" x="30" y="4">{meaning}</text></g>"#
        );
        x += 52.0 + meaning.chars().count() as f64 * 7.0;
    };
    key(r#"<rect class="caller" y="-3" width="22" height="6"/>"#, "loudness");
    key(r#"<rect class="caller peak" y="-6" width="22" height="12"/>"#, "peaks");
    let Some(notes) = &stream.notes else { return };
    if notes.spurts.iter().any(|spurt| spurt.pinned) {
        key(r#"<path class="spurt" d="M0 0H22"/>"#, "spurt, its beginning told by an echo");
    }
    if notes.spurts.iter().any(|spurt| !spurt.pinned) {
        key(r#"<path class="spurt modelled" d="M0 0H22"/>"#, "spurt, modelled");
    }
    if !notes.cuts.is_empty() {
        let sign = r#"<rect class="unheard" y="-6" width="22" height="12"/><path class="cut" d="M0 -9V9"/>"#;
        key(sign, "cut off, and how long it would have gone on");
    }
    if notes.gaps.iter().any(|gap| gap.why == GapWhy::Lost) {
        key(r#"<rect class="lost" y="-6" x="8" width="5" height="12"/>"#, "audio that never came");
    }
    if notes.gaps.iter().any(|gap| gap.why == GapWhy::Underrun) {
        key(r#"<rect class="late" y="-6" width="22" height="12"/>"#, "speech that came too late");
    }
}

/// Text as XML may have it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for sign in one_line(text).chars() {
        match sign {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            sign => out.push(sign),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_text_is_markup() {
        assert_eq!(
            escaped("<a b='\"'>&\u{ffff}\u{1b}\n"),
            "&lt;a b=&#39;&quot;&#39;&gt;&amp;\u{fffd}\u{fffd}"
        );
    }
}
