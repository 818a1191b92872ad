//! What is made of descriptions that publishers write.

use proptest::prelude::*;

use super::super::testing::{Kept, read};
use super::*;
use crate::digest::DigestSet;

const SUM: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

fn described(distribution: &str) -> String {
    format!(
        r#"{{"@context": {{"@vocab": "https://schema.org/"}}, "@type": "sc:Dataset", "recordSet": [{{"field": [1]}}],
        "conformsTo": "http://mlcommons.org/croissant/1.0", "distribution": {distribution}}}"#
    )
}

fn croissant(distribution: &str) -> (Result<Scope, ManifestError>, Kept) {
    let text = described(distribution);
    assert!(Croissant.recognises(b"x.json", text.as_bytes()));
    read(&Croissant, "croissant.json", DigestSet::EMPTY, text.as_bytes())
}

fn file(id: &str, url: &str, rest: &str) -> String {
    format!(r#"{{"@type": "cr:FileObject", "@id": "{id}", "name": "{id}", "contentUrl": "{url}"{rest}}}"#)
}

fn sha256() -> String {
    format!(r#", "sha256": "{SUM}""#)
}

fn set(id: &str, rest: &str) -> String {
    format!(r#"{{"@type": "cr:FileSet", "@id": "{id}", "includes": "*.jpg"{rest}}}"#)
}

fn is_bad(why: &Unusable) -> bool {
    matches!(why, Unusable::Impossible(_))
}

#[test]
fn files_beside_the_manifest_and_at_urls() {
    let md5 = r#", "md5": "bc1++XNoIWW685QyDLewsg==", "contentSize": "36.809 KB""#;
    let files =
        [file("a.csv", "data/a.csv", &sha256()), file("archive.zip", "https://k.com/download/x", md5)];
    let (scope, kept) = croissant(&format!("[{}]", files.join(", ")));
    assert_eq!(scope.unwrap(), Scope::Named);
    assert_eq!(kept.names(), ["data/a.csv", "url download/x or archive.zip or archive.zip"]);
    assert!(kept.claims.iter().all(|c| c.unusable.is_none() && c.size.is_none()));
    let md5 = kept.claims[1].digests.strongest().unwrap().to_string();
    assert_eq!(md5, "md5:6dcd7ef973682165baf394320cb7b0b2");
    assert_eq!(kept.claims.iter().map(|c| c.line).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn placeholders_are_impossible_and_digests_of_another_length_are_kept() {
    for (text, kept_bytes) in [
        ("https://github.com/mlcommons/croissant/issues/80", 0),
        ("sha256", 0),
        ("foo", 0),
        ("0b033707ea49365a5ffdd14615825511", 16),
    ] {
        let (_, kept) = croissant(&file("a", "https://h.org/d/a.tar", &format!(r#", "sha256": "{text}""#)));
        let claim = &kept.claims[0];
        assert!(claim.unusable.as_ref().is_some_and(is_bad), "{text}");
        assert_eq!(claim.doubtful.as_ref().map_or(0, Vec::len), kept_bytes, "{text}");
    }
}

#[test]
fn a_size_counts_where_there_is_no_digest_and_only_an_exact_one() {
    let size = |rest: &str| {
        let (_, kept) = croissant(&file("a", "a.csv", rest));
        (kept.claims[0].size, kept.claims[0].unusable.is_none())
    };
    assert_eq!(size(r#", "contentSize": "117743 B""#), (Some(117_743), true));
    assert_eq!(size(&format!(r#", "contentSize": "117743 B"{}"#, sha256())), (None, true));
    for text in ["97.73 TiB", " B", "12 KB", "B", "-1 B", "1e3 B", "99999999999999999999 B"] {
        assert_eq!(size(&format!(r#", "contentSize": "{text}""#)), (None, false), "{text}");
    }
}

#[test]
fn what_lies_in_an_archive_with_a_digest_is_as_the_archive_is() {
    let inner =
        |id: &str, outer: &str| file(id, "d/in.csv", &format!(r#", "containedIn": {{"@id": "{outer}"}}"#));
    let images = set("images", r#", "containedIn": [{"@id": "zip"}, {"@id": "nested"}]"#);
    let zip = file("zip", "a.zip", &sha256());
    let parts = [inner("in", "zip"), zip, inner("nested", "zip"), inner("deep", "nested"), images];
    let (_, kept) = croissant(&format!("[{}]", parts.join(", ")));
    assert_eq!(kept.names(), ["a.zip"; 4]);
    assert!(kept.claims.iter().all(|c| c.digests.strongest().is_some_and(|d| d.to_string().ends_with(SUM))));
    assert_eq!(kept.claims.iter().map(|c| c.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(kept.uncheckable.is_empty() && kept.rejected.is_empty());
}

#[test]
fn what_lies_in_nothing_that_can_be_checked_is_told() {
    let within = |outer: &str| format!(r#", "containedIn": "{outer}""#);
    let parts = [
        file("bad", "a.zip", r#", "sha256": "foo""#),
        file("one", "in.csv", &within("bad")),
        file("two", "in.csv", &within("nowhere")),
        file("ring", "in.csv", &within("ring")),
        file("list", "l.paths.gz", &sha256()),
        set("lines", r#", "containedIn": {"fileObject": {"@id": "list"}, "transform": {"readLines": true}}"#),
        set("free", ""),
        set("mixed", r#", "containedIn": ["list", "bad"]"#),
        file("twice", "t.zip", &sha256()),
        file("twice", "u.zip", &sha256()),
        file("three", "in.csv", &within("twice")),
    ];
    let (_, kept) = croissant(&format!("[{}]", parts.join(", ")));
    let told: Vec<_> = kept.uncheckable.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(told, ["one", "two", "ring", "lines", "free", "mixed", "three"]);
    assert!(kept.uncheckable.iter().all(|(.., why)| !is_bad(why)));
    assert_eq!(kept.claims.len(), 4);
}

#[test]
fn a_member_with_a_digest_of_its_own_is_claimed_in_its_archive() {
    let inner = |outer: &str| file("in", "d/in.csv", &format!(r#", "containedIn": "{outer}"{}"#, sha256()));
    let (_, kept) = croissant(&format!("[{}, {}]", file("zip", "x/a.zip", ""), inner("zip")));
    assert_eq!(kept.names(), ["x/a.zip", "x/a.zip/d/in.csv"]);
    let (_, kept) = croissant(&format!("[{}, {}]", file("zip", "https://h.org/a.zip", ""), inner("zip")));
    assert_eq!((kept.claims.len(), kept.uncheckable.len()), (1, 1));
    let repository = file("repo", "https://h.org/r", r#", "encodingFormat": "git+https""#);
    let (_, kept) = croissant(&format!("[{repository}, {}]", inner("repo")));
    assert_eq!(kept.names(), ["url d/in.csv"]);
}

#[test]
fn repositories_and_folders_are_no_files() {
    let git =
        |rest: &str| file("repo", "https://h.org/d", &format!(r#", "encodingFormat": "git+https"{rest}"#));
    let parts =
        [git(r#", "sha256": "https://h.org/80""#), git(&sha256()), git(""), file("f", "data/", &sha256())];
    let (_, kept) = croissant(&format!("[{}]", parts.join(", ")));
    assert!(kept.claims.is_empty());
    assert_eq!(
        kept.uncheckable.iter().map(|(.., why)| is_bad(why)).collect::<Vec<_>>(),
        [true, false, false, false]
    );
}

#[test]
fn what_the_distribution_lists_is_never_passed_over() {
    let parts = [
        file("a", "a.csv", &sha256()),
        format!(r#"{{"@id": "b.csv", "name": "b.csv"{}}}"#, sha256()),
        r#"{"@id": "gone"}"#.to_owned(),
        r#""gone2""#.to_owned(),
        r##""#a""##.to_owned(),
        r#"{"@id": "named", "name": "named"}"#.to_owned(),
    ];
    let (_, kept) = croissant(&format!("[{}]", parts.join(", ")));
    assert_eq!(kept.names(), ["a.csv"]);
    assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    assert!(kept.rejected[2].1.contains("gone,") && kept.rejected[3].1.contains("gone2,"));
}

#[test]
fn parts_of_files_and_datasets_count_where_they_are_files() {
    let part = file("in", "in.csv", &sha256());
    let whole = file("a", "a.csv", &format!(r#"{}, "hasPart": [{part}, {{"@id": "gone"}}]"#, sha256()));
    let (_, kept) = croissant(&format!("[{whole}]"));
    assert_eq!((kept.names(), kept.rejected.len()), (vec!["a.csv".to_owned(), "in.csv".to_owned()], 1));
    let untyped = format!(r#"{{"@id": "u", "contentUrl": "u.csv"{}}}"#, sha256());
    let text = format!(
        r#"{{"@type": "sc:Dataset", "hasPart": [{}, {untyped}, "https://h.org/other", {{"@type": "sc:Dataset"}}]}}"#,
        file("b", "b.csv", &sha256())
    );
    let kept = read(&Croissant, "x.json", DigestSet::EMPTY, text.as_bytes()).1;
    assert_eq!((kept.names(), kept.rejected.len()), (vec!["b.csv".to_owned()], 1));
}

#[test]
fn a_graph_and_a_live_dataset() {
    let text = format!(
        r#"{{"@context": "http://mlcommons.org/croissant/", "@graph": [{{"@type": "sc:Dataset", "isLiveDataset": true,
        "distribution": [{{"@id": "a"}}, {{"@id": "b"}}]}}, {}, {}, {{"@type": "cr:RecordSet", "@id": "r"}}]}}"#,
        file("a", "a.csv", &sha256()),
        file("b", "b.csv", "")
    );
    let (scope, kept) = read(&Croissant, "x.json", DigestSet::EMPTY, text.as_bytes());
    assert!(scope.is_ok());
    assert_eq!(kept.names(), ["a.csv", "b.csv"]);
    assert!(
        matches!(&kept.claims[1].unusable, Some(Unusable::NotComputable(why)) if why.contains("isLiveDataset"))
    );
}

#[test]
fn odd_parts_are_rejected_and_names_that_leave_the_folder_refused() {
    let parts =
        [r#"{"@type": "DataDownload", "contentUrl": "x"}"#, r#"{"@type": "cr:FileObject", "@id": "x"}"#];
    let (_, kept) = croissant(&format!("[{}, {}]", parts.join(", "), file("up", "../a.csv", &sha256())));
    assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(kept.names(), ["refused"]);
    // Two digests of one algorithm contradict each other.
    let twice = format!(r#", "sha256": "{SUM}", "cr:sha256": "{}""#, SUM.replace('5', "6"));
    assert!(croissant(&file("a", "a", &twice)).1.claims[0].unusable.as_ref().is_some_and(is_bad));
}

#[test]
fn without_a_file_it_cannot_be_used() {
    let reason =
        |text: &str| read(&Croissant, "x", DigestSet::EMPTY, text.as_bytes()).0.unwrap_err().to_string();
    assert!(reason(&described("[]")).contains("no FileObject"));
    assert!(reason("{}").contains("no FileObject"));
    assert!(reason("[1]").contains("not of the shape of a Croissant description"));
    assert_eq!(reason(""), "it is empty");
    let whole = described(&file("a", "a.csv", &sha256()));
    for at in 1..whole.len() {
        assert!(reason(&whole[..at]).contains("ends in the middle"), "{at}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(content: Vec<u8>, at in 0usize..500) {
        let inner = file("in", "in.csv", r#", "containedIn": {"@id": "a"}"#);
        let mut mangled = described(&format!("[{}, {inner}]", file("a", "a.csv", &sha256()))).into_bytes();
        mangled.truncate(at);
        mangled.extend_from_slice(&content);
        for content in [content, mangled] {
            let _ = read(&Croissant, "x", DigestSet::EMPTY, &content);
            Croissant.recognises(b"x", &content);
        }
    }

    #[test]
    fn a_digest_with_one_digit_less_is_never_compared(at in 0usize..64) {
        let mut text = SUM.to_owned();
        text.remove(at);
        let (_, kept) = croissant(&file("a", "a.csv", &format!(r#", "sha256": "{text}""#)));
        prop_assert!(kept.claims[0].digests.is_empty());
    }
}
