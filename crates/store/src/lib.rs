//! callrec: store.
