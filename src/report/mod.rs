//! Renderers: one file per format, each reading a finished report and deciding nothing.
//!
//! A renderer never filters: what a report holds is told, or counted where it is too much for a page. A format is one
//! file and one line in [`formats`].

pub mod amounts;
mod human;
mod json;
mod jsonl;
mod junit;
mod markdown;
pub mod outlook;
mod parquet;
mod paths;
mod repair;
#[cfg(test)]
mod sample;

use std::io::{self, Write};

use crate::audit::Report;
use crate::error::Error;

pub use human::Human;
pub use json::{Json, SCHEMA};
pub use jsonl::JsonLines;
pub use junit::JUnit;
pub use markdown::Markdown;
pub use parquet::Parquet;
pub use repair::RepairList;

/// A format of reports.
pub trait Renderer {
    /// Its name in `--format` and before the colon of `--report FORMAT:FILE`.
    fn name(&self) -> &'static str;

    /// Writes the whole report.
    ///
    /// # Errors
    /// Where writing fails, or the findings cannot be read back.
    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError>;

    /// Whether it is text, which can be shown on a terminal.
    fn is_text(&self) -> bool {
        true
    }
}

/// All formats; the first is the default.
pub fn formats(look: Look) -> Vec<Box<dyn Renderer>> {
    vec![
        Box::new(Human { colour: look.colour }),
        Box::new(Json),
        Box::new(JsonLines),
        Box::new(Parquet),
        Box::new(Markdown),
        Box::new(JUnit),
    ]
}

/// How a report is shown, for formats that are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// Colours, as terminals understand them.
    pub colour: bool,
}

/// The format of this name.
pub fn by_name(name: &str, look: Look) -> Option<Box<dyn Renderer>> {
    formats(look).into_iter().find(|renderer| renderer.name() == name)
}

/// The names of all formats.
pub fn names() -> Vec<&'static str> {
    formats(Look::default()).iter().map(|renderer| renderer.name()).collect()
}

/// The first words of every report that names known-bad items.
pub const NOTICE: &str = "This report names items that are on a list of known harmful content: treat it as \
sensitive, do not share it further than needed, do not open the items, and get legal advice, since duties to report \
or to preserve may apply.";

/// Why a report was not rendered to its end.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Whoever was written to gave up.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The findings could not be read back.
    #[error(transparent)]
    Findings(#[from] Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_their_names() {
        let names = names();
        assert_eq!(names, ["human", "json", "jsonl", "parquet", "markdown", "junit"]);
        for name in names {
            assert_eq!(by_name(name, Look::default()).map(|r| r.name()), Some(name));
        }
        assert!(by_name("xml", Look::default()).is_none());
    }
}
