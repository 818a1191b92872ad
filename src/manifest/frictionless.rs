//! Data Packages of Frictionless (Data Package 1 and 2, `datapackage.json`): `resources[]` with a `path` or several, `hash`
//! and `bytes`.
//!
//! Facts from the specification (datapackage.org, "Data Resource"): `hash` is an MD5, or `algorithm:digest`; paths are
//! relative to the folder of the descriptor, with `/`, never absolute and without `..`, or are URLs; a resource may hold its
//! `data` in the descriptor, which is no file. `hashing` and `stats.hash` are those of frictionless-py before 5. Case of
//! hexadecimal digits is not spoken of, so both are taken.

mod resource;

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use self::resource::{Hash, OfResource, Resource};
use super::json_limit::{Limit, Limited};
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, begins_like_json, url_subject};
use crate::claim::{Claim, ClaimSink, Scope, Unusable};

/// The format of Data Packages.
#[derive(Clone, Copy, Debug)]
pub struct Frictionless;

impl ManifestFormat for Frictionless {
    fn name(&self) -> &'static str {
        "frictionless"
    }

    fn recognises(&self, file_name: &[u8], head: &[u8]) -> bool {
        let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
        let is_object = head.trim_ascii_start().first() == Some(&b'{');
        let is_other = has(b"\"format_version\"") && has(b"\"files\"") || has(b"\"@context\"");
        let says_so = file_name == b"datapackage.json" || has(b"data-package") || has(b"datapackage.json");
        is_object && has(b"\"resources\"") && says_so && !is_other
    }

    fn base(&self, file: &Path) -> Option<PathBuf> {
        file.parent().map(Path::to_path_buf)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        if !begins_like_json(input.fill_buf()?) {
            return Err(not_this_format("it does not begin with a JSON object"));
        }
        let mut reading =
            Reading { context, sink, ordinal: 0, claims: 0, failure: None, limit: Limit::default() };
        let limited = Limited::new(input, reading.limit.clone());
        let mut json = serde_json::Deserializer::from_reader(BufReader::new(limited));
        let parsed = Package(&mut reading).deserialize(&mut json).and_then(|()| json.end());
        if let Err(e) = parsed {
            return Err(reading
                .failure
                .take()
                .or_else(|| reading.limit.failure())
                .unwrap_or_else(|| broken(e)));
        }
        if reading.claims == 0 {
            return Err(not_this_format("none of its resources is a file"));
        }
        Ok(Scope::Folder(Vec::new()))
    }
}

fn not_this_format(why: &str) -> ManifestError {
    ManifestError::NotThisFormat(why.to_owned())
}

/// Says where the JSON is broken. The parser's own message may hold a value and is not passed on.
fn broken(e: serde_json::Error) -> ManifestError {
    let (line, column) = (e.line(), e.column());
    match e.classify() {
        serde_json::error::Category::Io => ManifestError::Io(e.into()),
        serde_json::error::Category::Eof => not_this_format("its JSON ends in the middle; fetch it again"),
        serde_json::error::Category::Syntax => {
            ManifestError::NotThisFormat(format!("its JSON is broken at line {line}, column {column}"))
        }
        serde_json::error::Category::Data => ManifestError::NotThisFormat(format!(
            "it is JSON, but at line {line}, column {column} not of the shape of a Data Package"
        )),
    }
}

/// One run over a file.
struct Reading<'a> {
    context: &'a Context<'a>,
    sink: &'a mut dyn ClaimSink,
    ordinal: u64,
    claims: u64,
    /// Why parsing was stopped from inside.
    failure: Option<ManifestError>,
    limit: Limit,
}

impl Reading<'_> {
    fn resource(&mut self, resource: Resource) -> Result<(), ManifestError> {
        self.ordinal += 1;
        let (paths, is_inline) = match &resource {
            Resource::Odd => (Err("it is no object"), false),
            Resource::Object(fields) => (fields.paths(), fields.has_data),
        };
        let paths = match paths {
            // Data in the descriptor is no file.
            Ok(paths) if paths.is_empty() && is_inline => return Ok(()),
            Ok(paths) if paths.is_empty() => {
                return Ok(self.sink.reject(self.ordinal, "it has neither a path nor data".to_owned())?);
            }
            Ok(paths) => paths,
            Err(why) => return Ok(self.sink.reject(self.ordinal, why.to_owned())?),
        };
        let Resource::Object(fields) = &resource else { return Ok(()) };
        for path in &paths {
            let subject = url_subject(path.as_bytes(), &[]);
            let claim = Claim::new(self.context.source, self.ordinal, subject);
            self.claims += 1;
            self.sink.claim(match fields.hash() {
                _ if paths.len() > 1 => Claim {
                    unusable: because(
                        "its resource has one hash for several files, of which none is its own",
                    ),
                    ..claim
                },
                Hash::None => Claim {
                    size: fields.size(),
                    unusable: because("the Data Package gives no hash of it"),
                    ..claim
                },
                Hash::Odd => Claim {
                    size: fields.size(),
                    unusable: Some(Unusable::Impossible("its hash is no text".to_owned())),
                    ..claim
                },
                Hash::Of(label, digest) => {
                    Claim { size: fields.size(), ..claim }.labelled(&label, digest.as_bytes(), Writing::Hex)
                }
            })?;
        }
        Ok(())
    }
}

fn because(why: &str) -> Option<Unusable> {
    Some(Unusable::NotComputable(why.to_owned()))
}

/// The descriptor.
struct Package<'r, 'a>(&'r mut Reading<'a>);

impl<'de> DeserializeSeed<'de> for Package<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Package<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Data Package")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = false;
        while let Some(key) = self.0.limit.key(|| map.next_key::<String>())? {
            if key != "resources" {
                map.next_value::<IgnoredAny>()?;
            } else if std::mem::replace(&mut seen, true) {
                self.0.failure = Some(not_this_format("it lists its resources twice"));
                return Err(de::Error::custom("stopped"));
            } else {
                map.next_value_seed(Resources(&mut *self.0))?;
            }
        }
        if !seen {
            self.0.failure = Some(not_this_format("it is JSON, but without the resources of a Data Package"));
            return Err(de::Error::custom("stopped"));
        }
        Ok(())
    }
}

/// Its `resources`.
struct Resources<'r, 'a>(&'r mut Reading<'a>);

impl<'de> DeserializeSeed<'de> for Resources<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Resources<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("resources")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(resource) = entries.next_element_seed(OfResource(&self.0.limit))? {
            if let Err(e) = self.0.resource(resource) {
                self.0.failure = Some(e);
                return Err(de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Kept, read};
    use super::*;
    use crate::claim::Subject;
    use crate::digest::DigestSet;

    const MD5: &str = "b1946ac92492d2347c6235b4d2611184";
    const SHA1: &str = "f572d396fae9206628714fb2ce00f72e94f2258f";

    fn package(resources: &str) -> (Result<Scope, ManifestError>, Kept) {
        let content =
            format!(r#"{{"name": "p", "resources": [{resources}], "licenses": [{{"path": "x"}}]}}"#);
        read(&Frictionless, "datapackage.json", DigestSet::EMPTY, content.as_bytes())
    }

    fn said(kept: &Kept) -> Vec<Option<String>> {
        kept.claims.iter().map(|c| c.digests.strongest().map(ToString::to_string)).collect()
    }

    #[test]
    fn resources_are_claims() {
        let upper = MD5.to_uppercase();
        let (scope, kept) = package(&format!(
            r#"{{"path": "a.csv", "hash": "{MD5}", "bytes": 6, "schema": {{"fields": [{{"path": 1}}]}}}},
               {{"path": ["data/b.csv"], "hash": "sha1:{SHA1}"}}, {{"path": "c", "hash": "MD5:{upper}"}},
               {{"path": "d", "hashing": "sha1", "stats": {{"hash": "{SHA1}", "bytes": 7}}}},
               {{"name": "inline", "data": [1, {{"path": "x"}}]}}"#
        ));
        assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
        assert_eq!(kept.paths(), ["a.csv", "data/b.csv", "c", "d"]);
        let (md5, sha1) = (Some(format!("md5:{MD5}")), Some(format!("sha1:{SHA1}")));
        assert_eq!(said(&kept), [md5.clone(), sha1.clone(), md5, sha1]);
        assert_eq!(kept.claims.iter().map(|c| c.size).collect::<Vec<_>>(), [Some(6), None, None, Some(7)]);
        assert_eq!(kept.claims.iter().map(|c| c.line).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(kept.rejected, []);
    }

    #[test]
    fn what_cannot_be_compared_is_still_located() {
        let (_, kept) = package(&format!(
            r#"{{"path": ["a", "b"], "hash": "{MD5}", "bytes": 3}}, {{"path": "c"}}, {{"path": "d", "hash": 7}},
               {{"path": "e", "hash": "TBD"}}, {{"path": "../f", "hash": "{MD5}"}}, {{"path": "/g", "hash": "{MD5}"}},
               {{"path": "https://h.org/x/y.csv", "hash": "{MD5}"}}, "z", {{"path": [1]}}, {{}}, [2], null"#
        ));
        assert_eq!(kept.paths(), ["a", "b", "c", "d", "e"]);
        let impossible: Vec<_> =
            kept.claims[..5].iter().map(|c| matches!(c.unusable, Some(Unusable::Impossible(_)))).collect();
        assert_eq!(impossible, [false, false, false, true, true]);
        assert!(kept.claims[..5].iter().all(|c| c.unusable.is_some() && c.digests.is_empty()));
        assert!(kept.claims[..2].iter().all(|c| c.size.is_none()));
        assert!(kept.claims[5..7].iter().all(|c| matches!(c.subject, Subject::Refused { .. })));
        assert!(
            matches!(&kept.claims[7].subject, Subject::Url { path, .. } if path.as_bytes() == b"x/y.csv")
        );
        assert_eq!(
            kept.rejected.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [7, 8, 9, 10, 11].map(|n| n + 1)
        );
    }

    #[test]
    fn nothing_of_any_length_is_held() {
        let reason = |resources: &str| package(resources).0.unwrap_err().to_string();
        let long = "x".repeat(1 << 18);
        assert!(reason(&format!(r#"{{"path": [{}"a"]}}"#, "\"a\",".repeat(5 << 20))).contains("the path"));
        for resource in [
            format!(r#"{{"path": "a", "hash": "{long}"}}"#),
            format!(r#"{{"path": "a", "{long}": 1}}"#),
            format!("\"{long}\""),
        ] {
            assert!(reason(&resource).contains("a key or value"));
        }
        // What stands in the descriptor is passed over.
        let data = "x".repeat(20 << 20);
        let (scope, kept) = package(&format!(
            r#"{{"data": ["{data}"]}}, {{"data": "{data}"}}, [1], {{"path": "a", "hash": "{MD5}"}}"#
        ));
        assert!(scope.is_ok());
        assert_eq!((kept.paths(), kept.rejected.len()), (vec!["a".to_owned()], 1));
    }

    #[test]
    fn what_is_no_package_says_so() {
        let reason = |content: &str| {
            let read = read(&Frictionless, "datapackage.json", DigestSet::EMPTY, content.as_bytes());
            read.0.unwrap_err().to_string()
        };
        assert!(reason("x").contains("JSON object"));
        assert!(reason(r#"{"name": "p"}"#).contains("without the resources"));
        assert!(reason(r#"{"resources": []}"#).contains("none of its resources"));
        assert!(reason(r#"{"resources": [], "resources": []}"#).contains("twice"));
        assert!(reason(r#"{"resources": [{"path": "a""#).contains("ends in the middle"));
        assert!(reason(r#"{"resources": [{"path": "a"}]} x"#).contains("broken"));
        assert!(reason(r#"{"resources": {"secret": 1}}"#).contains("shape"));
        assert!(reason(r#"{"resources": [{"path": "a", "path": "secret"}]}"#).contains("shape"));
    }

    #[test]
    fn it_is_told_from_other_json() {
        let is = |name: &str, head: &str| Frictionless.recognises(name.as_bytes(), head.as_bytes());
        assert!(is("datapackage.json", r#" {"resources": ["#));
        assert!(is("x.json", r#"{"profile": "tabular-data-package", "resources": ["#));
        assert!(!is("x.json", r#"{"resources": ["#) && !is("datapackage.json", r#"{"name": 1}"#));
        assert!(!is("datapackage.json", r#"{"@context": {}, "resources": ["#));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(content: Vec<u8>, cut in 0usize..120, flip in 0usize..120) {
            let sound = format!(r#"{{"resources": [{{"path": ["a"], "hash": "{MD5}", "bytes": 6}}]}}"#);
            let mut mangled = sound.into_bytes();
            let at = flip % mangled.len();
            mangled[at] ^= 1;
            mangled.truncate(cut);
            mangled.extend_from_slice(&content);
            for content in [content, mangled] {
                let _ = read(&Frictionless, "x", DigestSet::EMPTY, &content);
                Frictionless.recognises(b"datapackage.json", &content);
            }
        }
    }
}
