//! The provider's own Python package, in a process.

use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How to get it, for whoever does not have it.
const HOW: &str = "make it with `python3 -m venv target/interop-python && target/interop-python/bin/pip install \
                   -r interop/requirements.txt`, or let INTEROP_PYTHON name a Python that has the package";

/// Has the package do these things, and gives what came of each.
pub(crate) fn ask(orders: &[Value]) -> Vec<Value> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("INTEROP_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or_else(|| here.join("../target/interop-python/bin/python"));
    let mut child = Command::new(&python)
        .arg(here.join("tests/twilio_package/twilio_package.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; {HOW}", python.display()));
    child.stdin.take().unwrap().write_all(json!(orders).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{HOW}");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answers.len(), orders.len());
    answers
}

pub(crate) fn sign(token: &str, url: &str, form: &[(&str, &str)]) -> Value {
    json!({"do": "sign", "token": token, "url": url, "form": form})
}

pub(crate) fn validate(token: &str, url: &str, form: &[(&str, &str)], signature: &str) -> Value {
    json!({"do": "validate", "token": token, "url": url, "form": form, "signature": signature})
}
