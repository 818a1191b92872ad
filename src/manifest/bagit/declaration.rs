//! `bagit.txt`: the version of the format, and how its other tag files are written.

use std::io::{BufRead, Read};

use super::super::ManifestError;
use super::tag_lines::Encoding;
use crate::claim::ClaimSink;

/// The longest declaration that is read: its two lines have some sixty bytes.
const LONGEST: u64 = 4096;

/// What `bagit.txt` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Declaration {
    /// Major and minor; `None` where they could not be read.
    version: Option<(u32, u32)>,
    /// Of all tag files but `bagit.txt`.
    pub(super) encoding: Encoding,
}

impl Declaration {
    /// Reads the two lines (RFC 8493, 2.1.1) and tells what is wrong with them.
    pub(super) fn read(
        input: &mut dyn BufRead,
        sink: &mut dyn ClaimSink,
    ) -> Result<Declaration, ManifestError> {
        let mut content = Vec::new();
        input.take(LONGEST + 1).read_to_end(&mut content)?;
        let mut broken = |line: Option<u64>, why: &str| sink.broken(line, why.to_owned());
        if content.len() as u64 > LONGEST {
            broken(None, "the declaration has more than the two lines that it consists of")?;
        }
        let mut content = content.as_slice();
        if let Some(rest) = content.strip_prefix(b"\xef\xbb\xbf") {
            broken(Some(1), "the declaration begins with a byte order mark, which it must not")?;
            content = rest;
        }
        let text = String::from_utf8_lossy(content);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut lines = text.split('\n');
        let mut declaration = Declaration::default();

        let version = lines.next().unwrap_or_default();
        let value = version.strip_prefix("BagIt-Version:");
        declaration.version = value.and_then(|value| parsed_version(value.trim()));
        match (value, declaration.version) {
            (None, _) => broken(Some(1), "the first line of the declaration is not `BagIt-Version: M.N`")?,
            (_, None) => broken(Some(1), "the version in the declaration is not of the form M.N")?,
            (_, Some(version)) if !(KNOWN.0..=KNOWN.1).contains(&version) => {
                broken(Some(1), "its version of BagIt is none of 0.93 to 1.0, the ones known")?;
            }
            (Some(value), Some(_)) => declaration.spacing(1, value, &mut broken)?,
        }

        let encoding = lines.next().unwrap_or_default();
        match encoding.strip_prefix("Tag-File-Character-Encoding:") {
            None => {
                broken(
                    Some(2),
                    "the second line of the declaration is not `Tag-File-Character-Encoding: NAME`",
                )?;
            }
            Some(value) => {
                let Some(encoding) = Encoding::from_name(value.trim()) else {
                    let why = "its tag files are declared to be in an encoding that is not read; write them in UTF-8";
                    return Err(ManifestError::NotThisFormat(why.to_owned()));
                };
                declaration.encoding = encoding;
                declaration.spacing(2, value, &mut broken)?;
            }
        }
        if lines.any(|line| !line.trim().is_empty()) {
            broken(Some(3), "the declaration has more than the two lines that it consists of")?;
        }
        Ok(declaration)
    }

    /// Whether the rules of 1.0 hold, which are stricter.
    pub(super) fn is_1_0(&self) -> bool {
        self.version.is_some_and(|version| version >= (1, 0))
    }

    /// Since 1.0 exactly one blank stands after the colon, and none behind the value.
    fn spacing(
        &self,
        line: u64,
        value: &str,
        broken: &mut dyn FnMut(Option<u64>, &str) -> crate::error::Result<()>,
    ) -> Result<(), ManifestError> {
        let strict = value.strip_prefix(' ').is_some_and(|rest| rest == value.trim());
        if self.is_1_0() && !strict {
            broken(
                Some(line),
                "in the declaration one blank must stand before the value, and nothing behind it",
            )?;
        }
        Ok(())
    }
}

/// The first and the last version known.
const KNOWN: ((u32, u32), (u32, u32)) = ((0, 93), (1, 0));

fn parsed_version(text: &str) -> Option<(u32, u32)> {
    let number = |digits: &str| {
        let sound = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_digit());
        sound.then(|| digits.parse().ok()).flatten()
    };
    let (major, minor) = text.split_once('.')?;
    Some((number(major)?, number(minor)?))
}
