//! Every tar, codec and zip case of the generator of hostile archives, against an expectation of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::listing::{Drip, Listing};

/// The expectations stand in `testdata/hostile/expected/<case>.txt`. They were written by hand from the layout of each
/// case and the table of how readers disagree, not taken from this program's output.
#[test]
#[ignore = "needs the generated hostile cases"]
fn hostile_cases_are_told_as_expected() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("SHARDPROOF_SHARED").map_or_else(|| here.join("../shared"), PathBuf::from);
    let generator =
        shared.join("reference/hostile-cases/gen.py").canonicalize().expect("the generator is there");
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new("python3").arg(generator).current_dir(dir.path()).status().unwrap();
    assert!(status.success());
    let mut cases: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| [".tar", ".zip"].iter().any(|end| name.ends_with(end)) || name.contains(".tar."))
        .collect();
    cases.sort();
    assert_eq!(cases.len(), 51 + 18, "the generator makes other cases than it did");
    let mut wrong = 0;
    for case in cases {
        let bytes = std::fs::read(dir.path().join(&case)).unwrap();
        let got = Listing::read(&case, &bytes);
        // The bomb takes its time in small pieces.
        let pieces: &[usize] = if bytes.len() > 100_000 { &[5000] } else { &[1, 511, 513] };
        for &most in pieces {
            assert_eq!(Listing::drip(&case, Drip::new(&bytes, most)), got, "{case} in pieces of {most}");
        }
        let path = here.join("testdata/hostile/expected").join(format!("{case}.txt"));
        let expected = std::fs::read_to_string(&path).unwrap_or_else(|e| format!("{e}: {}", path.display()));
        let got = got.facts();
        if got != expected {
            wrong += 1;
            println!("== {case}\n-- expected\n{expected}-- got\n{got}");
        }
    }
    assert_eq!(wrong, 0, "cases that differ from their expectation");
}
