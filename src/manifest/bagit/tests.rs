use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::testing::Kept;
use super::*;
use crate::claim::{SourceId, Unusable};
use crate::digest::DigestSet;

/// MD5 and SHA-256 of `hello\n`.
const MD5: &str = "b1946ac92492d2347c6235b4d2611184";
const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
const DECLARED: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

struct Made(TempDir);

impl Made {
    /// A bag of `data/a` and `data/b c` with two manifests.
    fn new() -> Made {
        let bag = Made(tempfile::tempdir().unwrap());
        bag.put("data/a", "hello\n");
        bag.put("data/b c", "hello\n");
        bag.put("bagit.txt", DECLARED);
        bag.put("manifest-md5.txt", &format!("{MD5}  data/a\n{MD5}  data/b c\n"));
        bag.put("manifest-sha256.txt", &format!("{SHA256} *data/b c\n{SHA256} ./data/a\n"));
        bag
    }

    fn put(&self, name: &str, content: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read_by(&self, entry: &str) -> (Result<Scope, ManifestError>, Kept) {
        let path = self.0.path().join(entry);
        let content = fs::read(&path).unwrap();
        let context = Context {
            source: SourceId(7),
            file_name: entry.as_bytes(),
            path: &path,
            declared: DigestSet::EMPTY,
        };
        let mut kept = Kept::default();
        let scope = BagIt.read(&mut content.as_slice(), &context, &mut kept);
        (scope, kept)
    }

    fn read(&self) -> Kept {
        let (scope, kept) = self.read_by(DECLARATION);
        assert_eq!(scope.unwrap(), Scope::Folder(b"data".to_vec()));
        kept
    }

    /// What breaks a rule.
    fn broken(&self) -> Vec<String> {
        self.read().broken.into_iter().map(|(_, why)| why).collect()
    }
}

#[test]
fn a_bag_is_read_by_its_declaration_or_by_a_manifest() {
    let bag = Made::new();
    bag.put("tagmanifest-md5.txt", &format!("{MD5} bagit.txt\n"));
    for entry in ["bagit.txt", "manifest-md5.txt"] {
        let (scope, kept) = bag.read_by(entry);
        assert_eq!(scope.unwrap(), Scope::Folder(b"data".to_vec()));
        assert_eq!(kept.paths(), ["data/a", "data/b c", "data/b c", "data/a", "bagit.txt"]);
        assert_eq!((kept.broken, kept.rejected), (vec![], vec![]));
        assert!(kept.claims.iter().all(|claim| claim.unusable.is_none()));
    }
    assert!(BagIt.recognises(b"bagit.txt", DECLARED.as_bytes()));
    assert!(!BagIt.recognises(b"bagit.txt", b"what\n") && !BagIt.recognises(b"x.txt", DECLARED.as_bytes()));
    assert!(BagIt.recognises(b"manifest-sha256.txt", b"") && !BagIt.recognises(b"manifest-prod.txt", b""));
}

#[test]
fn a_manifest_without_its_declaration_is_no_bag() {
    let bag = Made::new();
    fs::remove_file(bag.0.path().join("bagit.txt")).unwrap();
    let (scope, kept) = bag.read_by("manifest-md5.txt");
    assert!(scope.is_ok() && kept.broken[0].1.contains("no bagit.txt"));
}

#[test]
fn the_declaration_is_exact() {
    let bag = Made::new();
    let broken = |text: &str| {
        bag.put("bagit.txt", text);
        bag.read().broken.len()
    };
    let sound = DECLARED.replace('\n', "\r\n");
    assert_eq!((broken(DECLARED), broken(&sound), broken(DECLARED.trim_end())), (0, 0, 0));
    assert_eq!(broken(&DECLARED.replace("1.0\n", "0.97\n").replace(": ", ":  ")), 0);
    for (from, to) in [
        ("BagIt", "\u{feff}BagIt"),
        ("1.0", ".97"),
        ("1.0", "1"),
        ("1.0", "1.1"),
        ("1.0", "0.92"),
        ("1.0", "1.0 "),
        (": 1.0", " : 1.0"),
        (": 1.0", ":  1.0"),
        ("BagIt-Version", "Bagit-Version"),
        ("UTF-8\n", "UTF-8\nmore\n"),
        ("Tag-File-Character-Encoding: UTF-8\n", ""),
        ("UTF-8", "UTF-8 "),
    ] {
        assert_eq!(broken(&DECLARED.replace(from, to)), 1, "{from:?} as {to:?}");
    }
    bag.put("bagit.txt", &DECLARED.replace("UTF-8", "EBCDIC"));
    assert!(bag.read_by(DECLARATION).0.unwrap_err().to_string().contains("encoding"));
}

#[test]
fn since_1_0_every_manifest_lists_every_file_once() {
    let bag = Made::new();
    bag.put("manifest-sha256.txt", &format!("{SHA256}  data/a\n{SHA256}  ./data/a\n{SHA256}  data/z\n"));
    let expected = [
        "manifest-sha256.txt line 2: it lists data/a twice",
        "manifest-md5.txt lists data/b c, which manifest-sha256.txt does not list",
        "manifest-sha256.txt lists data/z, which manifest-md5.txt does not list",
    ];
    assert_eq!(bag.broken(), expected);
    bag.put("bagit.txt", &DECLARED.replace("1.0", "0.97"));
    assert_eq!(bag.broken(), Vec::<String>::new());
}

#[test]
fn many_faults_of_a_kind_are_told_as_many() {
    let bag = Made::new();
    let twice: String = (0..60).map(|_| format!("{MD5}  data/a\n")).collect();
    bag.put("manifest-md5.txt", &format!("{MD5}  data/b c\n{twice}"));
    let broken = bag.broken();
    assert!(broken.len() == 21 && broken[20].ends_with("and so on"), "{broken:?}");
}

#[test]
fn the_payload_lies_in_data() {
    let bag = Made::new();
    fs::remove_file(bag.0.path().join("manifest-sha256.txt")).unwrap();
    bag.put("manifest-md5.txt", &format!("{MD5}  data/a\n{MD5}  bag-info.txt\n{MD5}  ~x/y\nwhat\n"));
    let kept = bag.read();
    assert_eq!(kept.broken.len(), 1, "{:?}", kept.broken);
    assert!(kept.broken[0].1.contains("outside data/"));
    assert!(matches!(kept.claims[2].subject, Subject::Refused { .. }));
    assert_eq!(kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4]);
}

#[test]
fn what_is_to_be_fetched_says_from_where() {
    let bag = Made::new();
    bag.put(
        "fetch.txt",
        "https://h.org/a 6 data/a\r\nhttps://h.org/b - data/b c\r\nhttps://h.org/x - /etc/x\r\n",
    );
    let kept = bag.read();
    let fetched: Vec<_> = kept.claims.iter().filter(|claim| claim.fetch.is_some()).collect();
    assert_eq!(fetched.iter().map(|c| c.size).collect::<Vec<_>>(), [Some(6), None, None]);
    assert_eq!(fetched[0].fetch.as_deref(), Some(&b"https://h.org/a"[..]));
    assert!(matches!(fetched[2].subject, Subject::Refused { .. }));
    assert!(kept.broken.is_empty());
    bag.put("fetch.txt", "u - data/new\nu - %HOME%\\x\nu - \\\\server\\x\nu - c:\\x\nu data/a\n");
    let kept = bag.read();
    let broken: Vec<_> = kept.broken.iter().map(|(_, why)| why.as_str()).collect();
    let lacking = "fetch.txt lists data/new, which manifest-md5.txt, manifest-sha256.txt does not list";
    assert_eq!(broken[..2], ["fetch.txt line 2: it names a file outside data/", lacking], "{broken:?}");
    assert_eq!(kept.claims.iter().filter(|c| is_refused(&c.subject)).count(), 2);
    assert_eq!(kept.rejected[0].0, 5);
}

#[test]
fn the_oxum_is_held_against_manifests_and_disk() {
    let bag = Made::new();
    let broken = |oxum: &str| {
        bag.put("bag-info.txt", &format!("Contact-Name: x\n  y\n{oxum}\n"));
        bag.broken().len()
    };
    assert_eq!(broken("Payload-Oxum: 12.2"), 0);
    assert_eq!(broken("payload-oxum: 12.2\nPayload-Oxum: 12.2"), 0);
    assert_eq!(broken("Payload-Oxum: 13.2"), 1);
    assert_eq!(broken("Payload-Oxum: 12.3"), 1);
    assert_eq!(broken("Payload-Oxum: many"), 1);
    assert_eq!(broken("Payload-Oxum: 12.2\nPayload-Oxum: 12.3"), 1);
    // What is missing is told where it is missed, and is no fault of the total.
    fs::remove_file(bag.0.path().join("data/a")).unwrap();
    assert_eq!(broken("Payload-Oxum: 12.2"), 0);
}

#[test]
fn a_bag_with_nothing_listed_cannot_be_used() {
    let bag = Made::new();
    bag.put("manifest-md5.txt", "\n");
    fs::remove_file(bag.0.path().join("manifest-sha256.txt")).unwrap();
    assert!(bag.read_by(DECLARATION).0.is_err());
    bag.put("manifest-whirlpool.txt", &format!("{SHA256}  data/a\n"));
    let kept = bag.read();
    assert!(matches!(kept.claims[0].unusable, Some(Unusable::NotComputable(_))));
    assert!(bag.broken()[0].contains("does not list"));
}

#[test]
fn names_may_be_written_in_utf_16() {
    let bag = Made::new();
    bag.put("bagit.txt", &DECLARED.replace("1.0", "0.97").replace("UTF-8", "UTF-16"));
    fs::remove_file(bag.0.path().join("manifest-sha256.txt")).unwrap();
    let text = format!("\u{feff}{MD5}  data/é\r\n");
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(bag.0.path().join("manifest-md5.txt"), units).unwrap();
    assert_eq!(bag.read().paths(), ["data/é"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_without_panic(content: Vec<u8>, file in 0usize..4, cut in 0usize..90, flip: u8) {
        let bag = Made::new();
        let name = ["bagit.txt", "manifest-md5.txt", "fetch.txt", "bag-info.txt"][file];
        bag.put("fetch.txt", "https://h.org/a 6 data/a\n");
        bag.put("bag-info.txt", "Payload-Oxum: 12.2\n");
        let path = bag.0.path().join(name);
        let mut mangled = fs::read(&path).unwrap();
        mangled.truncate(cut);
        if let Some(byte) = mangled.last_mut() {
            *byte ^= flip;
        }
        mangled.extend_from_slice(&content);
        for content in [content, mangled] {
            fs::write(&path, &content).unwrap();
            let _ = bag.read_by(DECLARATION);
            BagIt.recognises(name.as_bytes(), &content);
        }
    }
}
