//! The documents say what the program does: man pages against the table of options, and the page
//! of differences against the tests it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_man_page_of_my_init_has_each_option_and_what_it_does() {
    let page = read("docs/man/my_init.8");
    let lines: Vec<&str> = page.lines().collect();
    for (_, flag, meaning) in logic::options::FLAGS {
        let spelled = flag.replace('-', "\\-");
        let at = lines.iter().position(|line| line.contains(&spelled) && line.starts_with(".B"));
        let at = at.unwrap_or_else(|| panic!("my_init(8) does not have {flag}"));
        let said: String = lines[at..].iter().take(4).copied().collect::<Vec<_>>().join(" ");
        let plain = said.replace("\\-", "-").replace("\\(aq", "'");
        assert!(plain.contains(meaning), "{flag}: my_init(8) does not say: {meaning}");
    }
}

/// The names of all tests, as `file::name`; those of `logic` and `src` by their folder.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut directories = vec![root("tests"), root("logic"), root("src")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let mut folders = ["logic", "src"].into_iter();
            let folder = folders.rfind(|folder| path.starts_with(root(folder)));
            let file = folder.map_or(name, str::to_string);
            let text = fs::read_to_string(&path).unwrap_or_default();
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                is_test = (is_test || line == "#[test]") && !line.starts_with("#[ignore");
                let Some(function) = line.strip_prefix("fn ") else { continue };
                if std::mem::take(&mut is_test) {
                    let name = function.split('(').next().unwrap_or_default();
                    tests.insert(format!("{file}::{name}"));
                }
            }
        }
    }
    tests
}

/// The words in backticks that look like the name of a test.
fn named(text: &str) -> Vec<String> {
    let words = text.split('`').skip(1).step_by(2);
    let is_test = |word: &&str| {
        word.contains("::") && word.chars().all(|c| c.is_alphanumeric() || "_:".contains(c))
    };
    words
        .filter(is_test)
        .map(str::to_string)
        .filter(|word| !["file::name", "logic::name", "src::name"].contains(&word.as_str()))
        .collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let tests = tests();
    for document in ["docs/compatibility.md", "ARCHITECTURE.md"] {
        // Functions of the program are named in the same form.
        let is_file = |name: &str| root("tests").join(format!("{name}.rs")).exists();
        let is_folder =
            |name: &str| ["logic", "src"].contains(&name) && document.starts_with("docs");
        let is_test =
            |name: &String| name.split("::").next().is_some_and(|of| is_file(of) || is_folder(of));
        let named: Vec<String> = named(&read(document)).into_iter().filter(is_test).collect();
        assert!(!named.is_empty(), "{document} names tests");
        for name in named {
            assert!(tests.contains(&name), "{document} names {name}, which is no test");
        }
    }
}

#[test]
fn every_difference_has_an_anchor_of_its_own_and_a_test() {
    let page = read("docs/compatibility.md");
    let mut anchors = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| <a id=")) {
        let anchor = row.split('"').nth(1).unwrap_or_default();
        assert!(anchors.insert(anchor.to_string()), "two rows are called {anchor}");
        assert!(row.contains(&format!("</a>{anchor} |")), "{anchor} is not called by its name");
        assert!(!named(row).is_empty(), "{anchor} names no test");
    }
    assert!(anchors.len() > 20, "there are differences");
}

/// The files of tests, but for this one: their paths and what they say.
fn texts() -> Vec<(PathBuf, String)> {
    let paths = fs::read_dir(root("tests")).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| path.is_file() && !path.ends_with("documents.rs"));
    paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Without comments.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors that stand behind this.
fn anchors<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let rests = text.split(before).skip(1);
    let anchor = |rest: &'a str| rest.split(|c: char| !c.is_alphanumeric() && c != '-').next();
    rests.filter_map(anchor).filter(|anchor| !anchor.is_empty()).collect()
}

#[test]
fn every_difference_that_a_test_names_is_written_down() {
    let page = read("docs/compatibility.md");
    for (path, text) in texts() {
        for before in ["compatibility.md#", "Row(\"", "only_ours(\""] {
            for anchor in anchors(&text, before) {
                let is_there = page.contains(&format!("<a id=\"{anchor}\">"));
                assert!(is_there, "{}: no row {anchor} in compatibility.md", path.display());
            }
        }
    }
}

/// The rows of the sections about runit, each with its anchor.
fn rows_about_runit(page: &str) -> Vec<(&str, &str)> {
    let sections = page.split("\n## ");
    let about = sections.filter(|section| section.contains("The second column is Debian's"));
    let rows = about.flat_map(str::lines).filter(|line| line.starts_with("| <a id="));
    rows.map(|row| (row.split('"').nth(1).unwrap_or_default(), row)).collect()
}

#[test]
fn every_difference_from_runit_is_asked_of_runit_too() {
    let page = read("docs/compatibility.md");
    let rows = rows_about_runit(&page);
    assert!(rows.len() > 20, "there are differences");
    let code: String = texts().iter().map(|(_, text)| code(text)).collect();
    let asked = anchors(&code, "Row(\"");
    for (anchor, row) in rows {
        let is_asked = asked.contains(&anchor);
        let is_excepted = row.ends_with("*(ours only)* |");
        assert!(is_asked || is_excepted, "{anchor}: no test asks Debian's runit whether it is so");
        assert!(!is_asked || !is_excepted, "{anchor}: it is asked, so it is not ours only");
    }
}

#[test]
fn a_test_tells_ours_from_theirs_by_a_row_only() {
    for (path, text) in texts() {
        for (at, line) in text.lines().enumerate() {
            for way in ["subject = Subject::", "== Subject::", "Subject::Ours =>", "Subject::Runit"]
            {
                assert!(!line.contains(way), "{}:{}: which row?", path.display(), at + 1);
            }
        }
    }
}
