//! callrec: summary.
