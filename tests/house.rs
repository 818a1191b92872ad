//! The structure that ARCHITECTURE.md describes, held by tests.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms of the library and the floor each stands on: imports run downward only.
const FLOORS: [(&str, u8); 22] = [
    ("digest", 0),
    ("claim", 0),
    ("observation", 0),
    ("finding", 0),
    ("locator", 0),
    ("plan", 0),
    ("raw", 0),
    ("error", 0),
    ("schema", 0),
    ("source", 1),
    ("shard", 2),
    ("manifest", 2),
    ("hashlist", 2),
    ("observe", 3),
    ("index", 4),
    ("check", 5),
    ("audit", 6),
    ("report", 7),
    ("bench", 8),
    ("cli", 9),
    ("main", 10),
    ("lib", 10),
];

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path);
        }
    }
}

/// Each source file with its room and its text.
fn files() -> Vec<(PathBuf, String, String)> {
    let src = root().join("src");
    let mut all = Vec::new();
    sources(&src, &mut all);
    assert!(all.len() > 30, "the sources were not found");
    all.into_iter()
        .map(|path| {
            let below = path.strip_prefix(&src).unwrap().to_path_buf();
            let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
            let room = first.trim_end_matches(".rs").to_string();
            let text = fs::read_to_string(&path).unwrap();
            (below, room, text)
        })
        .collect()
}

/// The rooms that a source text imports: every `crate::room` or `shardproof::room`, comments left out.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for prefix in ["crate::", "shardproof::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let group = group.split('}').next().unwrap_or("");
                rooms.extend(group.split(',').map(|r| r.trim().split("::").next().unwrap_or("").to_string()));
            } else {
                rooms.insert(rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    }
    rooms
}

#[test]
fn every_source_file_has_a_room() {
    for (path, room, _) in files() {
        assert!(floor(&room).is_some(), "src/{} is in no room that the house knows", path.display());
    }
}

#[test]
fn imports_run_downward_only() {
    let mut seen = 0;
    for (path, room, text) in files() {
        let own = floor(&room).unwrap();
        for import in imports(&text) {
            // Names of the crate root itself, such as macros, are of no room.
            let Some(other) = floor(&import) else { continue };
            seen += 1;
            assert!(
                import == room || other < own || own == 0 && other == 0,
                "src/{} (floor {own}) imports {import} (floor {other})",
                path.display()
            );
        }
    }
    assert!(seen > 50, "hardly any import was seen: is this test still reading the sources?");
}

#[test]
fn unsafe_code_lives_in_kernels_alone() {
    for (path, room, text) in files() {
        let code = text.lines().map(|l| l.split("//").next().unwrap_or(""));
        let found =
            code.into_iter().any(|line| line.contains("unsafe ") || line.contains("allow(unsafe_code"));
        assert!(
            !found || room == "digest" || room == "perceptual",
            "src/{} has unsafe code outside the kernels",
            path.display()
        );
    }
}

#[test]
fn every_finding_is_documented_and_every_heading_is_a_finding() {
    let text = fs::read_to_string(root().join("docs/findings.md")).unwrap();
    let headings: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`').map(str::to_string))
        .collect();
    let codes: BTreeSet<String> =
        shardproof::finding::Code::ALL.iter().map(|c| c.name().to_string()).collect();
    assert_eq!(headings, codes);
}

#[test]
fn the_architecture_names_every_room() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (room, _) in FLOORS {
        let known = ["lib"].contains(&room)
            || text.contains(&format!("src/{room}/"))
            || text.contains(&format!("src/{room}.rs"));
        assert!(known, "ARCHITECTURE.md does not say what src/{room} is for");
    }
}
