//! JSON manifests whose entries are read one by one, so that a long one takes no more memory than a short one.

use std::fmt;
use std::io::{BufRead, BufReader};

use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

use super::{ManifestError, begins_like_json};

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
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(input));
    let read = seed(stop.clone()).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    read.map_err(|error| stop.take().unwrap_or_else(|| broken(error, what)))
}

/// An error of ours beside the parser, which knows only its own.
#[derive(Clone, Default)]
pub(super) struct Stop(std::rc::Rc<std::cell::RefCell<Option<ManifestError>>>);

impl Stop {
    /// Stops the parser with this error.
    pub fn on<T, E: de::Error>(&self, result: Result<T, ManifestError>) -> Result<T, E> {
        result.map_err(|error| {
            *self.0.borrow_mut() = Some(error);
            E::custom("stopped")
        })
    }

    fn take(&self) -> Option<ManifestError> {
        self.0.borrow_mut().take()
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
        while let Some(entry) = entries.next_element::<Value>()? {
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
