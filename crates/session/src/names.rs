//! Names of marks, and whether one may be mistaken for another.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many names are remembered.
const REMEMBERED: usize = 32;

/// The names of the last marks. Bots give all of theirs one name, some of them, and then nothing tells which of their echoes
/// got lost.
#[derive(Debug, Default)]
pub(crate) struct RecentNames {
    /// Hashes, the last one first.
    last: VecDeque<u64>,
}

impl RecentNames {
    /// A mark of this name was sent: is it unlike those before it?
    pub(crate) fn is_new(&mut self, name: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let hash = hasher.finish();
        let new = !self.last.contains(&hash);
        self.last.truncate(REMEMBERED - 1);
        self.last.push_front(hash);
        new
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
}
