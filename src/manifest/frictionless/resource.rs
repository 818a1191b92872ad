//! One resource of a Data Package: what of it counts here. Everything else, `data` included, is passed over.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::super::json_limit::Limit;

/// Bytes of the paths of one resource, which are held together.
const LARGEST_PATH: u64 = 16 << 20;

/// An element of `resources`.
pub(super) enum Resource {
    /// As it should be.
    Object(Fields),
    /// Something else.
    Odd,
}

/// The fields of a resource that count.
#[derive(Default)]
pub(super) struct Fields {
    path: Value,
    hash: Value,
    hashing: Value,
    bytes: Value,
    stats: Value,
    /// Its data stand in the descriptor.
    pub(super) has_data: bool,
}

/// What a resource says of its digest.
pub(super) enum Hash {
    /// Nothing.
    None,
    /// Something that is no text.
    Odd,
    /// Algorithm and digest.
    Of(String, String),
}

impl Fields {
    /// Its paths, none where it has none.
    pub(super) fn paths(&self) -> Result<Vec<&str>, &'static str> {
        match &self.path {
            Value::Null => Ok(Vec::new()),
            Value::String(path) => Ok(vec![path]),
            Value::Array(paths) => {
                paths.iter().map(Value::as_str).collect::<Option<_>>().ok_or("a path of it is no text")
            }
            _ => Err("its path is no text"),
        }
    }

    /// Its digest: an MD5 unless it says otherwise.
    pub(super) fn hash(&self) -> Hash {
        let (hash, default) = match (&self.hash, self.stats.get("hash")) {
            (Value::Null, Some(hash)) => (hash, self.hashing.as_str().unwrap_or("md5")),
            (hash, _) => (hash, "md5"),
        };
        match hash {
            Value::Null => Hash::None,
            Value::String(text) => match text.split_once(':') {
                Some((algorithm, digest)) => Hash::Of(algorithm.to_owned(), digest.to_owned()),
                None => Hash::Of(default.to_owned(), text.clone()),
            },
            _ => Hash::Odd,
        }
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> Option<u64> {
        self.bytes.as_u64().or_else(|| self.stats.get("bytes")?.as_u64())
    }
}

/// A resource, of which what is held is held within a limit.
pub(super) struct OfResource<'l>(pub(super) &'l Limit);

impl<'de> DeserializeSeed<'de> for OfResource<'_> {
    type Value = Resource;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Resource, D::Error> {
        let limit = self.0;
        // A text in its place; an object or a list ends that.
        limit.key(|| deserializer.deserialize_any(self))
    }
}

impl<'de> Visitor<'de> for OfResource<'_> {
    type Value = Resource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Resource, A::Error> {
        let mut fields = Fields::default();
        let mut seen = [false; 5];
        while let Some(key) = self.0.key(|| map.next_key::<String>())? {
            let (number, field) = match key.as_str() {
                "path" => (0, &mut fields.path),
                "hash" => (1, &mut fields.hash),
                "hashing" => (2, &mut fields.hashing),
                "bytes" => (3, &mut fields.bytes),
                "stats" => (4, &mut fields.stats),
                other => {
                    fields.has_data |= other == "data";
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // Of two values nobody knows which one counts.
            if std::mem::replace(&mut seen[number], true) {
                return Err(de::Error::custom("a field stands twice"));
            }
            *field = if number == 0 {
                self.0.within(LARGEST_PATH, "the path", || map.next_value())?
            } else {
                self.0.key(|| map.next_value())?
            };
        }
        Ok(Resource::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Resource, A::Error> {
        self.0.end();
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Resource::Odd)
    }

    fn visit_str<E>(self, _: &str) -> Result<Resource, E> {
        Ok(Resource::Odd)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Resource, E> {
        Ok(Resource::Odd)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Resource, E> {
        Ok(Resource::Odd)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Resource, E> {
        Ok(Resource::Odd)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Resource, E> {
        Ok(Resource::Odd)
    }

    fn visit_unit<E>(self) -> Result<Resource, E> {
        Ok(Resource::Odd)
    }
}
