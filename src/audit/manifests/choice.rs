//! Which manifests a run uses: those named, else those lying in the dataset.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::super::listing::{Listing, join};
use super::super::options::AuditOptions;
use super::super::pointers::AnnexPlace;
use super::sinks::Nowhere;
use crate::claim::SourceId;
use crate::error::{Error, Result};
use crate::index::observations;
use crate::manifest::bagit::BagIt;
use crate::manifest::{self, Context, ManifestFormat, discover, hf_local};

/// A manifest of the run, not yet read.
pub struct Planned {
    /// What it is called in reports: as typed, or its path below the root.
    pub name: Vec<u8>,
    pub(super) what: Planning,
}

pub(super) enum Planning {
    /// A file that was named.
    Named { path: PathBuf, format: Option<&'static dyn ManifestFormat> },
    /// An index of another copy.
    Index { path: PathBuf },
    /// A file that lies in the dataset.
    Found { root: u16, path: Vec<u8> },
    /// What a Hugging Face client left on the disk.
    HuggingFace { root: u16, layout: hf_local::Layout },
    /// The Git LFS pointers in the dataset.
    Pointers(Vec<(u16, Vec<u8>)>),
    /// The git-annex keys in the dataset: of links and files that stand for them, and of objects.
    Annex(Vec<AnnexPlace>, Vec<AnnexPlace>),
    /// The files of DVC in the dataset.
    Dvc(Vec<(u16, Vec<u8>)>),
}

/// Which manifests a run uses: those named, else those lying in the dataset, which only the listing tells.
///
/// # Errors
/// Where a format is named that does not exist.
pub fn choose(
    options: &AuditOptions,
    layouts: Vec<Option<hf_local::Layout>>,
    listing: Option<&Listing>,
) -> Result<Vec<Planned>> {
    if !options.mode.verifies() {
        return Ok(Vec::new());
    }
    if !options.manifests.is_empty() {
        return options
            .manifests
            .iter()
            .map(|spec| {
                let name = spec.path.as_os_str().as_bytes().to_vec();
                if observations::is_index(&spec.path) {
                    return Ok(Planned { name, what: Planning::Index { path: spec.path.clone() } });
                }
                let format = spec.format.as_deref().map(|name| {
                    manifest::by_name(name).ok_or_else(|| {
                        let known: Vec<_> = manifest::formats().iter().map(|f| f.name()).collect();
                        Error::Usage(format!(
                            "no manifest format is called {name}; known are {}",
                            known.join(", ")
                        ))
                    })
                });
                let what = Planning::Named { path: spec.path.clone(), format: format.transpose()? };
                Ok(Planned { name, what })
            })
            .collect();
    }
    let mut planned = Vec::new();
    let Some(listing) = listing else { return Ok(planned) };
    for (root, layout) in layouts.into_iter().enumerate() {
        if let Some(layout) = layout {
            let name = match &layout {
                hf_local::Layout::LocalDir { .. } => ".cache/huggingface",
                hf_local::Layout::CacheRepo { .. } | hf_local::Layout::CacheSnapshot { .. } => "snapshots",
            };
            let name = name.as_bytes().to_vec();
            planned.push(Planned { name, what: Planning::HuggingFace { root: root as u16, layout } });
        }
    }
    let mut bags = HashMap::new();
    for (root, path) in &listing.manifests {
        let holds = |other: &[u8]| discover::is_bag_in_a_bag(path, &mut std::iter::once(other));
        let mut outer = listing.manifests.iter().filter(|(r, other)| r == root && holds(other));
        // One that cannot be used says nothing of what lies in it.
        if outer.any(|at| *bags.entry(at).or_insert_with(|| is_usable_bag(options, at.0, &at.1))) {
            continue;
        }
        planned
            .push(Planned { name: path.clone(), what: Planning::Found { root: *root, path: path.clone() } });
    }
    let pointers = &listing.pointers;
    if !pointers.lfs.is_empty() {
        let what = Planning::Pointers(pointers.lfs.clone());
        planned.push(Planned { name: b"Git LFS pointers".to_vec(), what });
    }
    if !pointers.annex.is_empty() || !pointers.annex_objects.is_empty() {
        let what = Planning::Annex(pointers.annex.clone(), pointers.annex_objects.clone());
        planned.push(Planned { name: b"git-annex keys".to_vec(), what });
    }
    if !pointers.dvc.is_empty() {
        let what = Planning::Dvc(pointers.dvc.clone());
        planned.push(Planned { name: b"DVC files".to_vec(), what });
    }
    Ok(planned)
}

/// Whether a manifest found in the dataset is a bag that can be read to its end. It takes its number among the sources of
/// the run before it is loaded, and so does what lies in it.
fn is_usable_bag(options: &AuditOptions, root: u16, path: &[u8]) -> bool {
    let file = join(&options.roots[usize::from(root)], path);
    let Ok(input) = manifest::open_regular(&file) else { return false };
    let mut input = BufReader::with_capacity(1 << 16, input);
    let Ok(head) = input.fill_buf() else { return false };
    let Some(format) = manifest::recognise_at(&file, head).filter(|format| format.name() == BagIt.name())
    else {
        return false;
    };
    let file_name = file.file_name().unwrap_or_default().as_bytes();
    let context = Context { source: SourceId(0), file_name, path: &file, declared: options.declared };
    format.read(&mut input, &context, &mut Nowhere).is_ok()
}
