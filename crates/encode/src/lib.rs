//! callrec: encode.
