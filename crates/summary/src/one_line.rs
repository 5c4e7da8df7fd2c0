//! Keeps what others wrote on its own line, so that it cannot pass for what callrec wrote.

use std::borrow::Cow;

/// Where a line breaks in some viewer or other (Unicode UAX #14: BK, CR, LF, NL).
fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{0B}' | '\u{0C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Characters that move a terminal's cursor or reorder what is around them (Unicode UAX #9, explicit formatting).
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The text's lines, without the deceptive characters and without empty lines.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split(is_break).map(str::trim).filter(|line| !line.is_empty()).map(visible)
}

/// Someone else's text on one line, for a terminal or a file: breaks become spaces, and what moves a cursor or turns the
/// direction of writing becomes U+FFFD.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains(is_break) {
        Cow::Owned(lines(text).collect::<Vec<_>>().join(" "))
    } else {
        visible(text)
    }
}

fn visible(text: &str) -> Cow<'_, str> {
    if text.contains(is_deceptive) {
        // A tab is the one control character that people type and mean.
        let shown = |c| {
            if c == '\t' {
                ' '
            } else if is_deceptive(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        };
        Cow::Owned(text.chars().map(shown).collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_break_breaks() {
        let all = "a\nb\rc\r\nd\u{0B}e\u{0C}f\u{85}g\u{2028}h\u{2029}i";
        assert_eq!(lines(all).collect::<String>(), "abcdefghi");
        assert_eq!(one_line(all), "a b c d e f g h i");
    }

    #[test]
    fn what_moves_the_cursor_or_turns_the_text_is_made_visible() {
        assert_eq!(one_line("a\u{1b}[2Jb\tc\u{202e}d"), "a\u{fffd}[2Jb c\u{fffd}d");
    }

    #[test]
    fn ordinary_text_in_any_language_is_untouched() {
        let text = "Grüße, 你好, مرحبا, 👩‍👩‍👧 = 3";
        assert!(matches!(one_line(text), Cow::Borrowed(t) if t == text));
    }
}
