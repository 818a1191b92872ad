//! The shard index of wids (webdataset 0.2): `{"wids_version": 1, "shardlist": [{"url", "nsamples", "md5sum",
//! "filesize"}], "datasets": […]}`.
//!
//! A `url` is relative to the index, or that of a host. `datasets` holds indexes again, or the `source_url` of one
//! (`wids/wids_specs.py`, `wids/wids_index.py`). `md5sum` and `filesize` are optional.

use std::fmt;
use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::entries::{Each, Stop, read};
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, url_subject};
use crate::claim::{Claim, ClaimSink, Scope, SourceId, Unusable};

/// The format of shard indexes of wids.
#[derive(Clone, Copy, Debug)]
pub struct Wids;

impl ManifestFormat for Wids {
    fn name(&self) -> &'static str {
        "wids"
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let has = |key: &[u8]| memchr::memmem::find(head, key).is_some();
        head.trim_ascii_start().starts_with(b"{") && has(b"\"wids_version\"")
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let mut reading = Reading { source: context.source, sink, ordinal: 0, claims: 0, elsewhere: 0 };
        let version =
            read(input, "a wids index", |stop| Index { reading: &mut reading, stop: stop.clone() })?;
        if version.as_ref().and_then(Value::as_u64) != Some(1) {
            return Err(not_this_format("its wids_version is not 1, the only one known"));
        }
        if reading.ordinal == 0 {
            return Err(not_this_format("it lists no shard"));
        }
        if reading.claims == 0 {
            return Err(not_this_format("none of the shards it lists has a url"));
        }
        // What it does not say itself it cannot be complete of.
        Ok(if reading.elsewhere > 0 { Scope::Unknown } else { Scope::Folder(Vec::new()) })
    }
}

fn not_this_format(why: &str) -> ManifestError {
    ManifestError::NotThisFormat(why.to_owned())
}

/// One run over an index.
struct Reading<'a> {
    source: SourceId,
    sink: &'a mut dyn ClaimSink,
    /// Shards so far.
    ordinal: u64,
    /// Shards claimed so far.
    claims: u64,
    /// Indexes that it only refers to.
    elsewhere: u64,
}

impl Reading<'_> {
    fn shard(&mut self, shard: &Value) -> Result<(), ManifestError> {
        self.ordinal += 1;
        let Some(url) = shard["url"].as_str() else {
            return Ok(self.sink.reject(self.ordinal, "it has no url".to_owned())?);
        };
        self.claims += 1;
        let (size, sum) = (&shard["filesize"], &shard["md5sum"]);
        let mut claim = Claim {
            size: size.as_u64(),
            ..Claim::new(self.source, self.ordinal, url_subject(url.as_bytes(), &[]))
        };
        claim = match sum {
            Value::String(sum) => claim.labelled("md5", sum.as_bytes(), Writing::Hex),
            // It is optional: sizes are compared then.
            Value::Null => claim,
            _ => Claim { unusable: Some(Unusable::Impossible("its md5sum is no text".to_owned())), ..claim },
        };
        if !size.is_null() && claim.size.is_none() {
            claim.unusable = Some(Unusable::Impossible("its filesize is no size".to_owned()));
        }
        Ok(self.sink.claim(claim)?)
    }

    fn refers(&mut self) -> Result<(), ManifestError> {
        self.elsewhere += 1;
        let why =
            "it refers to another index (source_url), which is not fetched: give that one as a manifest too";
        Ok(self.sink.broken(None, why.to_owned())?)
    }
}

/// An index, perhaps inside another; its value is the version.
struct Index<'r, 'a> {
    reading: &'r mut Reading<'a>,
    stop: Stop,
}

impl<'de> DeserializeSeed<'de> for Index<'_, '_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Index<'_, '_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a wids index")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Index { reading, stop } = self;
        let mut version = None;
        while let Some(key) = stop.short(|| map.next_key::<String>())? {
            match key.as_str() {
                "wids_version" => version = Some(stop.short(|| map.next_value())?),
                "shardlist" => map.next_value_seed(Each(&stop, |shard| reading.shard(&shard)))?,
                "datasets" => map.next_value_seed(Inner { reading: &mut *reading, stop: stop.clone() })?,
                "source_url" => {
                    map.next_value::<IgnoredAny>()?;
                    let told = reading.refers();
                    stop.on(told)?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(version)
    }
}

/// The indexes inside an index.
struct Inner<'r, 'a> {
    reading: &'r mut Reading<'a>,
    stop: Stop,
}

impl<'de> DeserializeSeed<'de> for Inner<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Inner<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of wids indexes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut indexes: A) -> Result<(), A::Error> {
        let Inner { reading, stop } = self;
        while indexes.next_element_seed(Index { reading: &mut *reading, stop: stop.clone() })?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Kept, read as read_as};
    use super::*;
    use crate::claim::Subject;
    use crate::digest::DigestSet;

    const MD5: &str = "62e6422c0eb60ba19fab58206234fab1";

    fn index(index: &Value) -> (Result<Scope, ManifestError>, Kept) {
        read_as(&Wids, "index.json", DigestSet::EMPTY, index.to_string().as_bytes())
    }

    #[test]
    fn shards_are_claimed_by_their_urls() {
        let sound = json!({
            "__kind__": "wids-shard-index-v1", "wids_version": 1, "name": "x",
            "shardlist": [
                {"url": "a-000.tar", "nsamples": 3, "md5sum": MD5, "filesize": 9},
                {"url": "https://h.org/d/b.tar?x", "nsamples": 3, "md5sum": MD5},
                {"url": "c.tar", "nsamples": 3},
                {"url": "../d.tar", "nsamples": 3, "md5sum": MD5},
                {"url": "e.tar", "nsamples": 3, "md5sum": "<md5>"},
            ],
            "datasets": [{"name": "y", "shardlist": [{"url": "sub/f.tar", "md5sum": MD5}]}],
        });
        assert!(Wids.recognises(b"index.json", sound.to_string().as_bytes()));
        let (scope, kept) = index(&sound);
        assert_eq!(scope.unwrap(), Scope::Folder(Vec::new()));
        // Keys come in their order: `datasets` is before `shardlist`.
        assert_eq!(kept.paths(), ["sub/f.tar", "a-000.tar", "c.tar", "e.tar"]);
        assert!(
            matches!(&kept.claims[2].subject, Subject::Url { path, .. } if path.as_bytes() == b"d/b.tar")
        );
        assert!(matches!(kept.claims[4].subject, Subject::Refused { .. }));
        assert_eq!((kept.claims[1].size, kept.claims[1].digests.iter().count()), (Some(9), 1));
        assert_eq!((&kept.claims[3].unusable, kept.claims[3].digests.is_empty()), (&None, true));
        assert!(matches!(kept.claims[5].unusable, Some(Unusable::Impossible(_))));
    }

    #[test]
    fn an_index_elsewhere_leaves_the_scope_open() {
        let shards = json!([{"url": "a.tar", "md5sum": MD5}]);
        let (scope, kept) = index(
            &json!({"wids_version": 1, "shardlist": shards, "datasets": [{"source_url": "https://h.org/i.json"}]}),
        );
        assert_eq!((scope.unwrap(), kept.broken.len()), (Scope::Unknown, 1));
    }

    #[test]
    fn other_shapes_are_refused() {
        let refused = |value: Value| index(&value).0.unwrap_err().to_string();
        assert!(refused(json!({"wids_version": 2, "shardlist": [{"url": "a"}]})).contains("wids_version"));
        assert!(refused(json!({"shardlist": [{"url": "a"}]})).contains("wids_version"));
        assert!(refused(json!({"wids_version": 1, "shardlist": []})).contains("no shard"));
        assert!(refused(json!({"wids_version": 1, "shardlist": [{"md5sum": MD5}, 1]})).contains("has a url"));
        assert!(refused(json!({"wids_version": 1, "shardlist": "a"})).contains("shape"));
        let kept =
            index(&json!({"wids_version": 1, "shardlist": [1, {"url": 1}, {"url": "a", "filesize": "x"}]})).1;
        assert_eq!((kept.rejected.len(), kept.claims.len()), (2, 1));
        assert!(matches!(kept.claims[0].unusable, Some(Unusable::Impossible(_))));
        let text = json!({"wids_version": 1, "shardlist": [{"url": "a", "md5sum": MD5}]}).to_string();
        for cut in 0..text.len() {
            let (read, _) = read_as(&Wids, "index.json", DigestSet::EMPTY, &text.as_bytes()[..cut]);
            assert!(read.is_err(), "cut to {cut}");
        }
    }
}
