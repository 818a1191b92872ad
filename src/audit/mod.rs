//! The run: load what is claimed, list what is there, plan, read, settle, report.

pub mod acceptance;
pub mod conclusion;
mod diff;
mod distrust;
mod division;
mod findings;
mod in_rows;
mod indexing;
mod listing;
mod lists;
mod manifests;
pub mod options;
mod parts;
mod planning;
mod pointers;
mod progress;
mod reading;
pub mod repair;
pub mod report;
mod reused;
mod run;
mod urls;

pub use acceptance::Acceptance;
pub use conclusion::FailOn;
pub use diff::diff;
pub use indexing::index;
pub use options::{AuditOptions, Mode, Samples, ScopeOption, SourceSpec};
pub use progress::{Progress, Silent};
pub use report::{Report, SourceReport, Verdict};
pub use run::audit;
