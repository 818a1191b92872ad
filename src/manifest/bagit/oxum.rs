//! `Payload-Oxum`: how many bytes in how many files the payload has (RFC 8493, 2.2.2).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::ManifestError;
use super::Bag;
use super::lists::Listed;
use super::tag_lines::TagLine;
use crate::claim::ClaimSink;

/// Folders in folders that are followed.
const DEEPEST: usize = 256;

/// The total of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Oxum {
    bytes: u64,
    files: u64,
}

/// Holds the total in `bag-info.txt` against the manifests and the disk.
///
/// Files that are missing or too many are told one by one and are no fault of the total: its bytes are compared where
/// as many files are here as it says.
pub(super) fn check(bag: &Bag<'_>, listed: Listed, sink: &mut dyn ClaimSink) -> Result<(), ManifestError> {
    let Some(oxum) = stated(bag, sink)? else { return Ok(()) };
    if oxum.files != listed.files {
        let why = format!(
            "Payload-Oxum counts {} files in data/, and the manifests list {}",
            oxum.files, listed.files
        );
        sink.broken(None, why)?;
    }
    let mut found = Oxum::default();
    if add(&bag.folder.join("data"), &mut Vec::new(), &mut found).is_ok()
        && found.files == oxum.files
        && found.bytes != oxum.bytes
    {
        let why = format!("Payload-Oxum counts {} bytes in data/, and {} are there", oxum.bytes, found.bytes);
        sink.broken(None, why)?;
    }
    Ok(())
}

/// What `bag-info.txt` says, before 0.96 `package-info.txt`.
fn stated(bag: &Bag<'_>, sink: &mut dyn ClaimSink) -> Result<Option<Oxum>, ManifestError> {
    let mut stated: Option<Oxum> = None;
    for name in ["bag-info.txt", "package-info.txt"] {
        let Some(list) = bag.list(name, None) else { continue };
        let mut lines = bag.lines(&list)?;
        while let Some((number, line)) = lines.next()? {
            let TagLine::Text { text, .. } = line else { continue };
            let Some(colon) = text.iter().position(|&b| b == b':') else { continue };
            let (label, value) = (&text[..colon], text[colon + 1..].trim_ascii());
            if !label.trim_ascii().eq_ignore_ascii_case(b"Payload-Oxum") {
                continue;
            }
            match parsed(value) {
                None => sink.broken(
                    None,
                    format!("{name} line {number}: Payload-Oxum is not of the form BYTES.FILES"),
                )?,
                Some(oxum) if stated.is_some_and(|other| other != oxum) => {
                    sink.broken(None, format!("{name} line {number}: it gives a second Payload-Oxum"))?;
                }
                Some(oxum) => stated = Some(oxum),
            }
        }
    }
    Ok(stated)
}

fn parsed(value: &[u8]) -> Option<Oxum> {
    let (bytes, files) = std::str::from_utf8(value).ok()?.split_once('.')?;
    let number = |digits: &str| {
        let sound = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        sound.then(|| digits.parse::<u64>().ok()).flatten()
    };
    Some(Oxum { bytes: number(bytes)?, files: number(files)? })
}

/// Adds what lies in a folder, links followed as they are when the dataset is read. `above` are the folders that it
/// lies in, so that a link back into them ends.
fn add(folder: &Path, above: &mut Vec<(u64, u64)>, found: &mut Oxum) -> std::io::Result<()> {
    let identity = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    let own = identity(&std::fs::metadata(folder)?);
    if above.contains(&own) || above.len() >= DEEPEST {
        return Ok(());
    }
    above.push(own);
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            add(&path, above, found)?;
        } else if metadata.is_file() {
            found.files += 1;
            found.bytes = found.bytes.saturating_add(metadata.len());
        }
    }
    above.pop();
    Ok(())
}
