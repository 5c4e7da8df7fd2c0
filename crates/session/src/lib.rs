//! callrec: session.
