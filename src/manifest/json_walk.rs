//! Entries of a JSON text, one after the other: a format says into which keys to go, and gets what stands there.
//!
//! Nothing is held but the entry at hand, so a text may be as large as it likes. What is not asked for is passed over.

use std::fmt;
use std::io::{BufRead, BufReader};

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::json_limit::{Limit, Limited};
use super::{ManifestError, begins_like_json};

/// Bytes of the largest entry: what is longer is no description of a file.
const LARGEST_ENTRY: u64 = 1 << 20;

/// What to do with the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its keys are asked for; of an array there is nothing to ask.
    Into,
    /// Its keys are asked for; if it is an array, its elements are entries.
    Either,
    /// Its values are entries, each with its key; if it is an array, its elements are.
    Entries,
    /// It is handed over as it is: a number or a short text.
    Value,
    /// Nothing.
    Skip,
}

/// A format that is read in this way.
pub(super) trait Walk {
    /// An entry, as it stands in the text. A key that comes twice in one is an error.
    type Entry: DeserializeOwned;

    /// What it is called where the text is not of its shape: `a record of Zenodo`.
    const WHAT: &'static str;

    /// What to do with this key, so many objects deep.
    fn step(&mut self, key: &str, depth: usize) -> Step;

    /// Takes an entry, with its key where it has one.
    ///
    /// # Errors
    /// Where reading cannot go on.
    fn entry(&mut self, key: Option<String>, entry: Self::Entry) -> Result<(), ManifestError>;

    /// Takes a value that was asked for.
    ///
    /// # Errors
    /// Where reading cannot go on.
    fn value(&mut self, _key: &str, _value: Value) -> Result<(), ManifestError> {
        Ok(())
    }
}

/// Reads a whole text.
///
/// # Errors
/// Where it is no JSON of the shape, reading fails, or the format gives up.
pub(super) fn walk<W: Walk>(input: &mut dyn BufRead, format: &mut W) -> Result<(), ManifestError> {
    let head = input.fill_buf()?;
    if head.is_empty() {
        return Err(ManifestError::NotThisFormat("it is empty".to_owned()));
    }
    if !begins_like_json(head) {
        return Err(ManifestError::NotThisFormat("it does not begin with a JSON array or object".to_owned()));
    }
    let mut failure = None;
    let limit = Limit::default();
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(Limited::new(input, limit.clone())));
    let level = Level { format, failure: &mut failure, limit: &limit, step: Step::Either, depth: 0 };
    let read = level.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|e| failure.or_else(|| limit.failure()).unwrap_or_else(|| broken(&e, W::WHAT)))
}

/// Says where the JSON is broken. The parser's own message may hold a value and is not passed on.
pub(super) fn broken(e: &serde_json::Error, what: &str) -> ManifestError {
    let (line, column) = (e.line(), e.column());
    ManifestError::NotThisFormat(match e.classify() {
        serde_json::error::Category::Io => {
            let kind = e.io_error_kind().unwrap_or(std::io::ErrorKind::Other);
            return ManifestError::Io(kind.into());
        }
        serde_json::error::Category::Eof => "its JSON ends in the middle; fetch it again".to_owned(),
        serde_json::error::Category::Syntax => {
            format!("its JSON is broken at line {line}, column {column}")
        }
        serde_json::error::Category::Data => {
            format!("it is JSON, but at line {line}, column {column} not of the shape of {what}")
        }
    })
}

/// One value of the text.
struct Level<'w, W> {
    format: &'w mut W,
    /// Why reading was stopped from inside: the parser knows only its own errors.
    failure: &'w mut Option<ManifestError>,
    limit: &'w Limit,
    step: Step,
    depth: usize,
}

impl<W: Walk> Level<'_, W> {
    fn entry<E: de::Error>(&mut self, key: Option<String>, entry: W::Entry) -> Result<(), E> {
        let taken = self.format.entry(key, entry);
        self.stop_on_error(taken)
    }

    fn stop_on_error<E: de::Error>(&mut self, result: Result<(), ManifestError>) -> Result<(), E> {
        result.map_err(|e| {
            *self.failure = Some(e);
            E::custom("stopped")
        })
    }
}

impl<'de, W: Walk> DeserializeSeed<'de> for Level<'_, W> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // Where a text stands for entries, it is held; an object or array begins limits of its own.
        self.limit.begin(LARGEST_ENTRY, "a text");
        deserializer.deserialize_any(self)
    }
}

impl<'de, W: Walk> Visitor<'de> for Level<'_, W> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(W::WHAT)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.limit.end();
        if self.step == Step::Into {
            while entries.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while let Some(entry) =
            self.limit.within(LARGEST_ENTRY, "an entry", || entries.next_element::<W::Entry>())?
        {
            self.entry(None, entry)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.limit.end();
        while let Some(key) = self.limit.key(|| map.next_key::<String>())? {
            if self.step == Step::Entries {
                let entry = self.limit.within(LARGEST_ENTRY, "an entry", || map.next_value::<W::Entry>())?;
                self.entry(Some(key), entry)?;
                continue;
            }
            match self.format.step(&key, self.depth) {
                Step::Skip => {
                    map.next_value::<IgnoredAny>()?;
                }
                Step::Value => {
                    let value = self.limit.within(LARGEST_ENTRY, "a value", || map.next_value::<Value>())?;
                    let taken = self.format.value(&key, value);
                    self.stop_on_error(taken)?;
                }
                step => {
                    let depth = self.depth + 1;
                    let (format, failure) = (&mut *self.format, &mut *self.failure);
                    let limit = self.limit;
                    map.next_value_seed(Level { format, failure, limit, step, depth })?;
                    limit.end();
                }
            }
        }
        Ok(())
    }

    // Where entries could stand and none do.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goes into `in`, takes entries of `all`, and the value `n`.
    #[derive(Default)]
    struct Sample(Vec<String>);

    impl Walk for Sample {
        type Entry = u64;
        const WHAT: &'static str = "a sample";

        fn step(&mut self, key: &str, depth: usize) -> Step {
            match (key, depth) {
                ("in", 0) => Step::Into,
                ("both", _) => Step::Either,
                ("all", _) => Step::Entries,
                ("n", _) => Step::Value,
                _ => Step::Skip,
            }
        }

        fn entry(&mut self, key: Option<String>, entry: u64) -> Result<(), ManifestError> {
            if entry == 99 {
                return Err(ManifestError::NotThisFormat("ninety-nine".to_owned()));
            }
            self.0.push(format!("{}={entry}", key.unwrap_or_default()));
            Ok(())
        }

        fn value(&mut self, key: &str, value: Value) -> Result<(), ManifestError> {
            self.0.push(format!("{key}:{value}"));
            Ok(())
        }
    }

    fn walked(text: &str) -> Result<Vec<String>, String> {
        let mut sample = Sample::default();
        walk(&mut text.as_bytes(), &mut sample).map_err(|e| e.to_string())?;
        Ok(sample.0)
    }

    #[test]
    fn entries_are_found_below_the_keys_that_lead_to_them() {
        assert_eq!(walked("[1, 2]").unwrap(), ["=1", "=2"]);
        let text = r#"{"x": [7], "in": {"all": {"a": 1, "b": 2}, "n": 3, "in": [8]}, "all": [4], "n": null}"#;
        assert_eq!(walked(text).unwrap(), ["a=1", "b=2", "n:3", "=4", "n:null"]);
        assert_eq!(walked(r#"{"in": null, "all": null}"#).unwrap(), [""; 0]);
        assert_eq!(walked(r#"{"in": ["x"], "both": [1]}"#).unwrap(), ["=1"]);
        assert_eq!(walked(r#"{"both": {"all": [1]}}"#).unwrap(), ["=1"]);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        let reason = |text: &str| walked(text).unwrap_err();
        assert_eq!(reason(""), "it is empty");
        assert!(reason("x").contains("array or object"));
        assert!(reason("{\"all\": {").contains("ends in the middle"));
        assert!(reason("[1] x").contains("broken"));
        assert!(reason("[\"secret\"]").contains("not of the shape of a sample"));
        assert!(!reason("[\"secret\"]").contains("secret"));
        assert_eq!(reason("[99]"), "ninety-nine");
    }
}
