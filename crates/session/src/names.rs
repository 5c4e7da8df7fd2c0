//! Names of marks, and whether one may be mistaken for another.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many names are remembered.
const REMEMBERED: usize = 32;

/// The names of the last marks. Bots give all of theirs one name, some of them, and then nothing tells which of their echoes
/// got lost.
#[derive(Debug, Default)]
pub(crate) struct RecentNames {
    /// Hashes, the last one first, and whether each was new then.
    last: VecDeque<(u64, bool)>,
}

impl RecentNames {
    /// A mark of this name was sent: is it unlike those before it?
    pub(crate) fn is_new(&mut self, name: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let hash = hasher.finish();
        let new = self.last.iter().all(|(before, _)| *before != hash);
        self.last.truncate(REMEMBERED - 1);
        self.last.push_front((hash, new));
        new
    }

    /// Whether marks that cannot be mistaken are sent often.
    pub(crate) fn are_told_apart(&self) -> bool {
        self.last.iter().filter(|(_, new)| *new).count() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_until_it_comes_again() {
        let mut names = RecentNames::default();
        assert!(names.is_new("a") && !names.is_new("a") && names.is_new("b") && !names.is_new("a"));
        for n in 0..REMEMBERED {
            assert!(names.is_new(&n.to_string()));
        }
        assert!(names.is_new("a"), "forgotten");
    }

    #[test]
    fn one_name_for_all_tells_nothing_apart_and_names_between_them_do() {
        let mut names = RecentNames::default();
        for _ in 0..100 {
            names.is_new("a");
            assert!(!names.are_told_apart());
        }
        names.is_new("ours 1");
        names.is_new("a");
        names.is_new("ours 2");
        assert!(names.are_told_apart());
    }
}
