//! What is read of DVC's files, and what is not.

use std::fs;

use md5::{Digest as _, Md5};
use proptest::prelude::*;

use super::*;
use crate::digest::DigestSet;
use crate::manifest::recognise;
use crate::manifest::testing::{Kept, read as read_as};

const MD5: &str = "b1946ac92492d2347c6235b4d2611184";

fn kept(file_name: &str, content: &str) -> (Result<Scope, ManifestError>, Kept) {
    read_as(&Dvc, file_name, DigestSet::EMPTY, content.as_bytes())
}

fn sum(content: &[u8]) -> String {
    hex::encode(Md5::digest(content))
}

#[test]
fn outs_are_claims() {
    let (scope, kept) = kept(
        "data.dvc",
        &format!(
            "# made by hand\nmd5: {MD5}\nwdir: sub\nfrozen: true\ndeps:\n- path: ../x\n  md5: {MD5}\nouts:\n- md5: {MD5}\n  size: 6\n  \
             hash: md5\n  path: a/../b.txt\n  desc: 'a: b'\n- path: c\n  md5: {}\n- etag: \"1\"\n  path: s3://bucket/d/e\n- path: f\n- path: ../../g\n  \
             md5: 12345678\n",
            MD5.to_uppercase()
        ),
    );
    assert_eq!(scope.unwrap(), Scope::Named);
    assert_eq!(kept.paths(), ["sub/b.txt", "sub/c", "sub/f"]);
    let claims = &kept.claims;
    assert_eq!((claims[0].size, claims[0].line, claims[1].line), (Some(6), 1, 2));
    assert_eq!(claims[0].digests, claims[1].digests);
    assert!(!claims[0].digests.is_empty());
    assert!(matches!(claims[2].subject, Subject::Url { .. }) && claims[2].unusable.is_some());
    assert!(matches!(claims[3].unusable, Some(Unusable::NotComputable(_))));
    assert!(matches!(claims[4].subject, Subject::Refused { .. }));
    assert!(matches!(claims[4].unusable, Some(Unusable::Impossible(_))));
}

#[test]
fn a_lock_file_claims_what_stages_put_out() {
    let content = format!(
        "schema: '2.0'\nstages:\n  prepare:\n    cmd: python a.py\n    deps:\n    - path: in\n      md5: {MD5}\n    outs:\n    - path: out/a\n      \
         hash: md5\n      md5: {MD5}\n      size: 6\n  train:\n    cmd: [a, b]\n"
    );
    let (scope, kept) = kept("dvc.lock", &content);
    assert_eq!((scope.unwrap(), kept.paths()), (Scope::Named, vec!["out/a".to_string()]));
}

#[test]
fn files_of_a_store_with_versions_are_claims() {
    let content = format!(
        "outs:\n- path: d\n  hash: md5\n  files:\n  - relpath: a\n    md5: {MD5}\n    size: 6\n  - relpath: b\n    etag: x\n"
    );
    let (scope, kept) = kept("d.dvc", &content);
    assert_eq!(
        (scope.unwrap(), kept.paths()),
        (Scope::Folder(b"d".to_vec()), vec!["d/a".into(), "d/b".into()])
    );
    assert!(kept.claims[0].unusable.is_none() && kept.claims[1].unusable.is_some());
}

#[test]
fn a_folder_is_what_its_list_in_the_cache_says() {
    for (cache, hash) in [(".dvc/cache/files/md5", "  hash: md5\n"), (".dvc/cache", "")] {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        let list = format!(
            "[{{\"md5\": \"{MD5}\", \"relpath\": \"a\"}}, {{\"md5\": \"{MD5}\", \"relpath\": \"b/\\u00e9\"}}]"
        );
        let name = sum(list.as_bytes());
        let place = format!("{cache}/{}/{}.dir", &name[..2], &name[2..]);
        fs::create_dir_all(at(&place).parent().unwrap()).unwrap();
        fs::create_dir_all(at("sub")).unwrap();
        let content = |nfiles: u64| {
            format!("outs:\n- md5: {name}.dir\n  nfiles: {nfiles}\n  size: 12\n{hash}  path: d\n")
        };
        let read = |nfiles: u64| {
            let mut kept = Kept::default();
            let file = at("sub/d.dvc");
            let context =
                Context { source: SourceId(0), file_name: b"d.dvc", path: &file, declared: DigestSet::EMPTY };
            (Dvc.read(&mut content(nfiles).as_bytes(), &context, &mut kept), kept)
        };
        let why = |kept: &Kept| match &kept.claims[0].unusable {
            Some(Unusable::NotComputable(why)) => why.clone(),
            _ => String::new(),
        };
        let (scope, kept) = read(2);
        assert_eq!((scope.unwrap(), kept.paths()), (Scope::Named, vec!["d".to_string()]));
        assert!(
            why(&kept).contains("2 files with 12 bytes") && why(&kept).contains("not here"),
            "{}",
            why(&kept)
        );
        fs::write(at(&place), &list).unwrap();
        let (scope, kept) = read(2);
        assert_eq!(scope.unwrap(), Scope::Folder(b"d".to_vec()));
        assert_eq!((kept.paths(), kept.broken.len()), (vec!["d/a".into(), "d/b/é".into()], 0));
        assert_eq!(read(3).1.broken.len(), 1);
        fs::write(at(&place), list.replace("184", "185")).unwrap();
        let (scope, kept) = read(2);
        assert_eq!((scope.unwrap(), kept.claims.len()), (Scope::Named, 1));
        assert!(why(&kept).contains("damaged"));
    }
}

#[test]
fn texts_of_old_versions_are_known_by_either_line_end() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.dvc");
    let claimed = |content: &[u8], md5: &str, hash: &str| {
        fs::write(home.path().join("a"), content).unwrap();
        let text = format!("outs:\n- md5: {md5}\n{hash}  path: a\n");
        let mut kept = Kept::default();
        let context =
            Context { source: SourceId(0), file_name: b"a.dvc", path: &file, declared: DigestSet::EMPTY };
        Dvc.read(&mut text.as_bytes(), &context, &mut kept).unwrap();
        hex::encode(kept.claims[0].digests.strongest().unwrap().bytes())
    };
    let (windows, unix) = (sum(b"a\r\nb\r\n"), sum(b"a\nb\n"));
    assert_eq!(claimed(b"a\r\nb\r\n", &unix, ""), windows);
    assert_eq!(claimed(b"a\r\nb\r\n", &unix, "  hash: md5\n"), unix);
    assert_eq!(claimed(b"a\r\nc\r\n", &unix, ""), unix);
    assert_eq!(claimed(b"\0\r\nb\r\n", &sum(b"\0\nb\n"), ""), sum(b"\0\nb\n"));
}

#[test]
fn what_is_not_of_dvc_is_refused() {
    let good = format!("outs:\n- md5: {MD5}\n  path: a\n");
    assert_eq!(recognise(b"a.dvc", good.as_bytes()).map(|f| f.name()), Some("dvc"));
    assert_eq!(recognise(b".dvc", good.as_bytes()).map(|f| f.name()), None);
    assert_eq!(recognise(b"a.yaml", good.as_bytes()).map(|f| f.name()), None);
    assert_eq!(recognise(b"a.dvc", b"notes\n").map(|f| f.name()), None);
    assert!(is_one(good.as_bytes()) && !is_one(b"outs: []\n") && !is_one(b"text"));
    let bomb = format!(
        "a: &a [x, x, x, x, x, x, x, x, x]\n{}outs:\n- path: a\n  md5: {MD5}\n",
        ('b'..='j').fold(String::new(), |text, name| {
            let before = char::from(name as u8 - 1);
            format!("{text}{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", "))
        })
    );
    let deep = format!("outs:\n- path: a\n  meta: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    for text in [
        "",
        "outs:\n",
        "outs: 5\n",
        "outs:\n- md5: x\n",
        "- a\n",
        "outs:\n  - path: [\n",
        &bomb,
        &deep,
        "\u{0}",
    ] {
        let (scope, kept) = kept("a.dvc", text);
        assert!(matches!(scope, Err(ManifestError::NotThisFormat(_))), "{text:.60}");
        assert!(kept.claims.is_empty() && kept.rejected.is_empty());
    }
    assert!(matches!(kept("a.dvc", &" ".repeat((32 << 20) + 1)).0, Err(ManifestError::NotThisFormat(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, cut in 0usize..120, flip in 0usize..120) {
        let mut mangled = format!("outs:\n- md5: {MD5}.dir\n  size: 6\n  hash: md5\n  path: a\n- path: b\n").into_bytes();
        if let Some(byte) = mangled.get_mut(flip) {
            *byte ^= 1 << (cut % 8);
        }
        mangled.truncate(cut);
        for content in [&bytes, &mangled] {
            let _ = read_as(&Dvc, "a.dvc", DigestSet::EMPTY, content);
        }
    }
}
