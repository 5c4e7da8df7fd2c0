//! callrec: callrec.
