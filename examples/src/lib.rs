//! examples of callrec.
