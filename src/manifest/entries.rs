//! JSON manifests whose entries are read one by one, so that a long one takes no more memory than a short one.

use std::fmt;
use std::io::{BufRead, BufReader};

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::json_limit::{Limit, Limited};
use super::{ManifestError, begins_like_json};

/// Bytes of the largest entry: what is longer is no description of a file.
const LARGEST_ENTRY: u64 = 1 << 20;

/// Reads one JSON value with nothing after it. `failure` is where `seed` leaves an error of its own.
///
/// # Errors
/// That one, or where the JSON is broken, or not of the shape of `what`.
pub(super) fn read<S, T>(
    input: &mut dyn BufRead,
    what: &str,
    seed: impl FnOnce(Stop) -> S,
) -> Result<T, ManifestError>
where
    S: for<'de> DeserializeSeed<'de, Value = T>,
{
    if !begins_like_json(input.fill_buf()?) {
        return Err(ManifestError::NotThisFormat("it does not begin with a JSON object".to_owned()));
    }
    let stop = Stop::default();
    let mut json =
        serde_json::Deserializer::from_reader(BufReader::new(Limited::new(input, stop.limit.clone())));
    let read = seed(stop.clone()).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|error| stop.take().or_else(|| stop.limit.failure()).unwrap_or_else(|| broken(error, what)))
}

/// An error of ours beside the parser, which knows only its own, and the limit of what it holds.
#[derive(Clone, Default)]
pub(super) struct Stop {
    failure: std::rc::Rc<std::cell::RefCell<Option<ManifestError>>>,
    limit: Limit,
}

impl Stop {
    /// Stops the parser with this error.
    pub fn on<T, E: de::Error>(&self, result: Result<T, ManifestError>) -> Result<T, E> {
        result.map_err(|error| {
            *self.failure.borrow_mut() = Some(error);
            E::custom("stopped")
        })
    }

    fn take(&self) -> Option<ManifestError> {
        self.failure.borrow_mut().take()
    }

    /// Reads a key or a short value, which must not be long.
    pub fn short<T>(&self, read: impl FnOnce() -> T) -> T {
        self.limit.key(read)
    }
}

/// An array of which each value is handed on and then let go.
pub(super) struct Each<'s, F>(pub &'s Stop, pub F);

impl<'de, F: FnMut(Value) -> Result<(), ManifestError>> DeserializeSeed<'de> for Each<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(Value) -> Result<(), ManifestError>> Visitor<'de> for Each<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        while let Some(entry) =
            self.0.limit.within(LARGEST_ENTRY, "an entry", || entries.next_element::<Value>())?
        {
            let taken = (self.1)(entry);
            self.0.on(taken)?;
        }
        Ok(())
    }
}

/// Says where the JSON is broken. The parser's own message may hold a value and is not passed on.
fn broken(error: serde_json::Error, what: &str) -> ManifestError {
    let (line, column) = (error.line(), error.column());
    ManifestError::NotThisFormat(match error.classify() {
        serde_json::error::Category::Io => return ManifestError::Io(error.into()),
        serde_json::error::Category::Eof => "its JSON ends in the middle; fetch it again".to_owned(),
        serde_json::error::Category::Syntax => format!("its JSON is broken at line {line}, column {column}"),
        serde_json::error::Category::Data => {
            format!("it is JSON, but at line {line}, column {column} not of the shape of {what}")
        }
    })
}
