//! callrec: audio.
