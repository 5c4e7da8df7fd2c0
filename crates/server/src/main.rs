//! The `callrec` command.
fn main() {}
