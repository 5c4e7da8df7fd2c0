//! Colour on a terminal, or none.

/// What a piece of text is, for the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Plain,
    Heading,
    Faint,
    Caller,
    Assistant,
    /// Something is missing, or was cut.
    Wrong,
    Good,
}

/// Writes text in colours, if there are any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colour: bool,
}

impl Paint {
    pub(super) const fn new(colour: bool) -> Self {
        Self { colour }
    }

    pub(super) fn ink(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => "",
            Ink::Heading => "1",
            Ink::Faint => "2",
            Ink::Caller => "36",
            Ink::Assistant => "33",
            Ink::Wrong => "1;31",
            Ink::Good => "32",
        };
        if !self.colour || code.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Characters with an ink each, neighbours of one ink together; without the spaces at the end.
    pub(super) fn line(self, cells: &[(char, Ink)]) -> String {
        let end = cells.iter().rposition(|cell| cell.0 != ' ').map_or(0, |last| last + 1);
        let same = |a: &(char, Ink), b: &(char, Ink)| a.1 == b.1;
        let runs = cells[..end].chunk_by(same);
        runs.map(|run| self.ink(run[0].1, &run.iter().map(|cell| cell.0).collect::<String>())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_ink_share_a_colour_and_without_colour_there_is_text_alone() {
        let cells =
            [('a', Ink::Caller), ('b', Ink::Caller), ('x', Ink::Wrong), (' ', Ink::Plain), (' ', Ink::Faint)];
        assert_eq!(Paint::new(true).line(&cells), "\u{1b}[36mab\u{1b}[0m\u{1b}[1;31mx\u{1b}[0m");
        assert_eq!(Paint::new(false).line(&cells), "abx");
    }
}
