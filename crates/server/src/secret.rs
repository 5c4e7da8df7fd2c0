//! Credentials that are compared in constant time and never shown.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// A token or key from the configuration. Its `Debug` says only that there is one.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps the credential.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The credential itself, for those who must compute with it (request signatures).
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `offered` is this credential. The time taken says nothing about where they differ, nor about the
    /// length of the credential: digests are compared, not the strings.
    pub fn matches(&self, offered: &str) -> bool {
        let ours = Sha256::digest(self.0.as_bytes());
        let theirs = Sha256::digest(offered.as_bytes());
        bool::from(ours.as_slice().ct_eq(theirs.as_slice()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(set)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_alone() {
        let secret = Secret::new("correct horse");
        assert!(secret.matches("correct horse"));
        for other in ["", "correct hors", "correct horse ", "Correct horse"] {
            assert!(!secret.matches(other));
        }
    }

    #[test]
    fn a_secret_is_not_in_its_debug_output() {
        let shown = format!("{:?} {:#?}", Secret::new("correct horse"), Secret::new("correct horse"));
        assert!(!shown.contains("horse"), "{shown}");
    }
}
