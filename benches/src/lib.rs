//! benches of callrec.
