//! The examples are programs in `examples/`: `cargo run --example NAME`.
