//! What the YAML of DVC's files holds, as far as it is read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{alias_limits, budget, options};

/// A `.dvc` file, or `dvc.lock`.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    #[serde(default)]
    outs: Option<Vec<Out>>,
    #[serde(default)]
    wdir: Option<String>,
    /// Of `dvc.lock`.
    #[serde(default)]
    stages: Option<BTreeMap<String, Stage>>,
}

#[derive(Debug, Deserialize)]
struct Stage {
    #[serde(default)]
    outs: Option<Vec<Out>>,
}

/// A file or folder that DVC keeps.
#[derive(Debug, Deserialize)]
pub(super) struct Out {
    pub(super) path: String,
    #[serde(default)]
    pub(super) md5: Option<String>,
    #[serde(default)]
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) nfiles: Option<u64>,
    /// The name of the algorithm, since DVC 3.0.
    #[serde(default)]
    pub(super) hash: Option<String>,
    /// The files of a folder in a store that keeps versions.
    #[serde(default)]
    pub(super) files: Option<Vec<Listed>>,
}

/// A file of a folder.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) relpath: String,
    #[serde(default)]
    pub(super) md5: Option<String>,
    #[serde(default)]
    pub(super) size: Option<u64>,
}

impl File {
    /// Parses a whole file; why that cannot be done, as a sentence without its capital.
    pub(super) fn parse(content: &[u8]) -> Result<File, String> {
        // DVC writes no anchors; a few by hand are no harm.
        let options = options! {
            with_snippet: false,
            budget: budget! {
                max_events: 8_000_000,
                max_nodes: 4_000_000,
                max_anchors: 1_000,
                max_aliases: 1_000,
                max_documents: 1,
                max_depth: 64,
            },
            alias_limits: alias_limits! { max_total_replayed_events: 10_000, max_replay_stack_depth: 8 },
        };
        let wrong = |error: serde_saphyr::Error| match error.location() {
            Some(at) => format!("it is no YAML that DVC writes; it goes wrong in line {}", at.line()),
            None => "it is no YAML that DVC writes".to_string(),
        };
        serde_saphyr::from_slice_with_options(content, options).map_err(wrong)
    }

    /// Whether it lists nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.outs().next().is_none()
    }

    /// All entries, each with the folder that its path is relative to.
    pub(super) fn outs(&self) -> impl Iterator<Item = (&str, &Out)> {
        let wdir = self.wdir.as_deref().unwrap_or_default();
        let own = self.outs.iter().flatten().map(move |out| (wdir, out));
        let stages = self.stages.iter().flat_map(BTreeMap::values);
        own.chain(stages.flat_map(|stage| stage.outs.iter().flatten()).map(|out| ("", out)))
    }
}
