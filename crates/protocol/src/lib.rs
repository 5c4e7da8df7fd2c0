//! callrec: protocol.
