//! The rows of the page that README has too, among what people wrote: each is the page's, to the letter.

use anyhow::{Context as _, ensure};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Where they are.
const SECTION: &str = "\n## Beside its peers\n";

/// Brings the README up to date that belongs to a page, if there is one.
///
/// # Errors
/// It has a row that the page has not. The others are up to date.
pub(crate) fn write(page: &Path, text: &str) -> anyhow::Result<()> {
    let path = page.with_file_name("../README.md");
    let readme = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        readme => readme.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let (renewed, missing) = renewed(&readme, text);
    if renewed != readme {
        fs::write(&path, renewed).with_context(|| format!("{} cannot be written", path.display()))?;
        println!("rows written to {}", path.display());
    }
    ensure!(missing.is_empty(), "README has rows that the page has not:\n{}", missing.join("\n"));
    Ok(())
}

/// The README with the page's rows, and its rows that the page has not.
fn renewed<'a>(readme: &'a str, page: &'a str) -> (String, Vec<&'a str>) {
    let Some((head, rest)) = readme.split_once(SECTION) else { return (readme.to_owned(), Vec::new()) };
    let (section, tail) = rest.split_at(rest.find("\n## ").unwrap_or(rest.len()));
    let [theirs, ours] = [page, section].map(|text| text.lines().filter(|line| is_row(line)).collect());
    let mut missing = Vec::new();
    let mut lines = Vec::new();
    for line in section.split('\n') {
        let row = if is_row(line) { of(line, &ours, &theirs) } else { Some(line) };
        if row.is_none() {
            missing.push(line);
        }
        lines.push(row.unwrap_or(line));
    }
    ([head, SECTION, &lines.join("\n"), tail].concat(), missing)
}

fn is_row(line: &str) -> bool {
    line.starts_with("| ")
}

/// The page's row for one of README's: that of the same name or, where a figure in it has changed, of the same name but for its
/// figures; where several are left that have it, as many in both, they are of the same order.
fn of<'a>(row: &str, ours: &Vec<&str>, theirs: &Vec<&'a str>) -> Option<&'a str> {
    let same = |one: &str, other: &str| name(one) == name(other);
    if let Some(theirs) = theirs.iter().find(|theirs| same(theirs, row)) {
        return Some(theirs);
    }
    let is_like = |other: &str| without_figures(other) == without_figures(row);
    let is_in = |rows: &[&str], row: &str| rows.iter().any(|other| same(other, row));
    let left: Vec<&str> = ours.iter().copied().filter(|it| is_like(it) && !is_in(theirs, it)).collect();
    let alike: Vec<&str> = theirs.iter().copied().filter(|it| is_like(it) && !is_in(ours, it)).collect();
    let at = left.iter().position(|it| *it == row)?;
    if left.len() == alike.len() { alike.get(at).copied() } else { None }
}

/// Its first two cells.
fn name(row: &str) -> Vec<&str> {
    row.split('|').take(3).collect()
}

fn without_figures(row: &str) -> String {
    name(row).join("|").split(|letter: char| letter.is_ascii_digit() || letter == '.').collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
| what | against | figure |
|---|---|---|
| a (1.5 MB) | x | 0.2 |
| calls: 100 | x | 0.3 |
| calls: 200 | y: 20 calls | 0.4 |
| calls: 20 | y: 20 calls | 0.5 |
| b | x | 0.6 |
";

    fn readme(rows: &str) -> String {
        format!(
            "# callrec\n\n| b | x | of another table |\n\n## Beside its peers\n\n{rows}\nprose\n\n## More\n\n| b | x | - |\n"
        )
    }

    #[test]
    fn a_row_is_the_pages_also_where_a_figure_in_its_name_has_changed() {
        let rows = "\
| what | against | figure |
|---|---|---|
| b | x | 0.1 |
| a (2.25 MB) | x | 0.1 |
| calls: 200 | y: 10 calls | 0.1 |
| calls: 10 | y: 10 calls | 0.1 |
";
        let renewed_rows = "\
| what | against | figure |
|---|---|---|
| b | x | 0.6 |
| a (1.5 MB) | x | 0.2 |
| calls: 200 | y: 20 calls | 0.4 |
| calls: 20 | y: 20 calls | 0.5 |
";
        assert_eq!(renewed(&readme(rows), PAGE), (readme(renewed_rows), Vec::new()));
    }

    #[test]
    fn a_row_that_the_page_has_not_is_told_and_left_as_it_is() {
        // One of two that are alike could be either.
        let missing = ["| c | x | 0.1 |", "| calls: 10 | y: 10 calls | 0.1 |"];
        let rows = |b: &str| readme(&format!("{}\n| b | x | {b} |\n{}\n", missing[0], missing[1]));
        let readme = rows("0.1");
        assert_eq!(renewed(&readme, PAGE), (rows("0.6"), missing.to_vec()));
    }

    /// So no figure in them is typed by hand.
    #[test]
    fn the_readmes_rows_are_the_pages() {
        let page = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../RESULTS.md"));
        let readme = fs::read_to_string(page.with_file_name("../README.md")).unwrap();
        let page = fs::read_to_string(page).unwrap();
        let (renewed, missing) = renewed(&readme, &page);
        assert!(missing.is_empty(), "not in the results: {missing:?}");
        for (line, renewed) in readme.lines().zip(renewed.lines()) {
            assert_eq!(line, renewed, "`cargo run -p callrec-compare -- page` writes it anew");
        }
        assert!(readme.contains(SECTION) && readme == renewed);
        let section = readme.split(SECTION).nth(1).unwrap().split("\n## ").next().unwrap();
        assert!(section.lines().filter(|line| is_row(line)).count() > 5, "{section}");
    }
}
