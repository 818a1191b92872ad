//! What is said otherwise where nothing is claimed, but copies are compared or kept.

use crate::audit::Report;
use crate::finding::Code;

/// What a run was for, as far as its words depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To judge a dataset.
    Judge,
    /// To compare two copies.
    Compare,
    /// To measure one.
    Measure,
}

impl Purpose {
    /// The purpose of a run.
    pub fn of(report: &Report) -> Purpose {
        match report.options.get("command").map(String::as_str) {
            Some("diff") => Purpose::Compare,
            Some("index") => Purpose::Measure,
            _ => Purpose::Judge,
        }
    }

    /// The word for a code.
    pub fn name(self, code: Code) -> &'static str {
        match (self, code) {
            (Purpose::Compare, Code::Altered) => "changed",
            (Purpose::Compare, Code::Missing) => "removed",
            (Purpose::Compare, Code::Undisclosed) => "added",
            _ => code.name(),
        }
    }

    /// What the code means, in a line.
    pub fn meaning(self, code: Code) -> &'static str {
        match (self, code) {
            (Purpose::Compare, Code::Altered) => "the second has other content at this place",
            (Purpose::Compare, Code::Missing) => "only the first has it",
            (Purpose::Compare, Code::Undisclosed) => "only the second has it",
            (Purpose::Compare, Code::Moved) => "the second has it at another place",
            _ => code.meaning(),
        }
    }
}
