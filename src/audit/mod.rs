//! The run: load what is claimed, list what is there, plan, read, settle, report.

pub mod acceptance;
pub mod conclusion;
mod diff;
mod distrust;
mod division;
mod findings;
mod in_rows;
mod indexing;
mod keeper;
mod listing;
mod lists;
mod manifests;
pub mod options;
mod outlook;
mod parts;
mod planning;
mod pointers;
mod progress;
mod queue;
mod reading;
pub mod repair;
pub mod report;
mod reused;
mod run;
mod state;
mod time_limit;
mod urls;

pub use acceptance::Acceptance;
pub use conclusion::FailOn;
pub use diff::diff;
pub use indexing::index;
pub use options::{AuditOptions, Mode, Samples, ScopeOption, SourceSpec};
pub use outlook::{Amount, Opened, Outlook, Rate, Unchecked, outlook};
pub use progress::{Progress, Silent};
pub use report::{Report, SourceReport, Verdict};
pub use run::audit;
