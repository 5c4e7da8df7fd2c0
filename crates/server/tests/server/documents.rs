//! What the documents say of the tests and counters is so.

use super::test_server::TestServer;
use serde_json::Value;
use std::path::Path;

/// Each bound has a counter or a gauge, or says why there is none; each of these is in the table, and no other.
#[test]
fn the_table_of_limits_names_every_counter() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let table = std::fs::read_to_string(format!("{root}/docs/limits.md")).unwrap();
    let server = TestServer::start([]);
    let health = server.get("/health").json();
    let names = |counters: &Value| -> Vec<String> { counters.as_object().unwrap().keys().cloned().collect() };
    let counters = [names(&health["refused"]), names(&health["recorder"]["refused"])].concat();
    let gauges = names(&health["recorder"]);
    let mut told = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, what, _, _, _, counter, held_by, _] = cells[..] else { panic!("not six columns: {row}") };
        if what == "what" {
            continue;
        }
        assert!(!held_by.is_empty(), "no test holds: {what}");
        let named: Vec<String> = counter.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(!named.is_empty() || counter.starts_with("nothing to count: "), "not counted: {what}");
        for name in &named {
            assert!(counters.contains(name) || gauges.contains(name), "{name} is not in /health");
        }
        told.extend(named);
    }
    assert!(told.len() > 25, "{told:?}");
    for name in &counters {
        assert!(told.contains(name), "{name} is not in docs/limits.md");
    }
}

/// The documents say which test holds what they promise: each of these is there.
#[test]
fn every_test_that_the_documents_name_is_there() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut sources = String::new();
    for directory in ["crates", "load", "interop", "fuzz"] {
        read_all(&Path::new(root).join(directory), &mut sources);
    }
    let is_part_of_name =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    for document in ["docs/limits.md", "docs/reliability.md", "ARCHITECTURE.md"] {
        let text = std::fs::read_to_string(format!("{root}/{document}")).unwrap();
        let names =
            text.split(|letter| !is_part_of_name(letter)).filter(|name| name.matches('_').count() >= 4);
        let mut count = 0;
        for name in names {
            assert!(sources.contains(&format!("fn {name}(")), "{document}: there is no test {name}");
            count += 1;
        }
        assert!(count > 0, "{document} names no test");
    }
}

fn read_all(directory: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else if path.extension().is_some_and(|end| end == "rs") {
            sources.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}
