//! `--accept FILE`: findings that somebody has looked at and lives with. They stay listed and counted; only the exit code
//! is as if they were not there.
//!
//! The file is TOML with an `[[accept]]` entry for each finding. An entry fits a finding only where everything agrees:
//! code, place, and the digest on which the acceptance hangs, so that it lapses when the content changes.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use jiff::civil::Date;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::report::Report;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};
use crate::finding::{Code, Finding};
use crate::locator::Escaped;

/// Larger files are no work of people; all entries are held in memory.
const LARGEST: u64 = 16 << 20;

/// Globs are compared with every finding of the run.
const MOST_GLOBS: usize = 1000;

/// Entries that accept nothing are told one by one up to this number.
const TOLD: usize = 20;

/// The entries of a file, ready to be looked up.
#[derive(Debug)]
pub struct Acceptance {
    /// The file as typed.
    pub path: PathBuf,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Its entries, in order.
    pub entries: Vec<Entry>,
    exact: HashMap<Place, Vec<usize>>,
    globs: GlobSet,
    with_glob: Vec<usize>,
}

/// One accepted finding.
#[derive(Debug)]
pub struct Entry {
    /// Why it is accepted.
    pub reason: String,
    /// The last day on which it is.
    pub expires: Option<Date>,
    place: Place,
    glob: Option<String>,
    digest: Option<Digest>,
}

/// What a finding is about. `shard` is `None` where an entry has a glob instead, or the finding has no place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    code: Code,
    root: Option<Vec<u8>>,
    shard: Option<Vec<u8>>,
    member: Vec<Vec<u8>>,
    row: Option<u64>,
    column: Option<String>,
    offset: Option<u64>,
    /// The line of a manifest: only for findings that have no other place.
    line: Option<(Vec<u8>, u64)>,
}

impl Acceptance {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, is no TOML of this shape, or an entry of it can accept nothing.
    pub fn read(path: &Path) -> Result<Acceptance> {
        let cannot = |cause| Error::Unreadable { role: ROLE, path: path.to_path_buf(), cause };
        let mut text = Vec::new();
        File::open(path).map_err(cannot)?.take(LARGEST + 1).read_to_end(&mut text).map_err(cannot)?;
        Self::parse(path, &text).map_err(|reason| Error::Unusable {
            role: ROLE,
            path: path.to_path_buf(),
            reason,
            advice: "Each finding is an [[accept]] entry with code, shard, digest and reason; docs/verify.md has an \
                     example."
                .to_string(),
        })
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Acceptance, String> {
        if text.len() as u64 > LARGEST {
            return Err("it is larger than 16 MiB".to_string());
        }
        let sha256 = hex::encode(Sha256::digest(text));
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_string())?;
        let typed: Typed = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
            let at = line.map_or(String::new(), |line| format!("line {line}: "));
            format!("{at}{}", error.message().replace('\n', ", "))
        })?;
        let mut entries = Vec::with_capacity(typed.accept.len());
        let mut exact: HashMap<Place, Vec<usize>> = HashMap::new();
        let (mut globs, mut with_glob) = (GlobSetBuilder::new(), Vec::new());
        for (at, typed) in typed.accept.into_iter().enumerate() {
            let said = |why: String| format!("entry {}: {why}", at + 1);
            let entry = typed.meaning().map_err(said)?;
            if let Some(glob) = &entry.glob {
                let built = GlobBuilder::new(glob).literal_separator(true).build();
                globs.add(built.map_err(|error| said(format!("shard_glob is no glob: {error}")))?);
                with_glob.push(at);
            } else {
                let same = exact.entry(entry.place.clone()).or_default();
                if let Some(other) = same.iter().find(|&&other: &&usize| {
                    let other: &Entry = &entries[other];
                    other.digest == entry.digest
                }) {
                    return Err(said(format!("it accepts the same as entry {}", other + 1)));
                }
                same.push(at);
            }
            entries.push(entry);
        }
        if with_glob.len() > MOST_GLOBS {
            return Err(format!("more than {MOST_GLOBS} entries have a shard_glob"));
        }
        let globs = globs.build().map_err(|error| format!("its globs are too many or too large: {error}"))?;
        Ok(Acceptance { path: path.to_path_buf(), sha256, entries, exact, globs, with_glob })
    }

    /// The entries about the place of a finding, whatever their digests.
    fn about(&self, finding: &Finding, report: &Report) -> Vec<usize> {
        let mut place = Place::of(finding, report);
        let mut all = self.exact.get(&place).cloned().unwrap_or_default();
        if let Some(shard) = place.shard.take().filter(|_| !self.with_glob.is_empty()) {
            let matched = self.globs.matches(Path::new(std::ffi::OsStr::from_bytes(&shard)));
            let entries = matched.into_iter().filter_map(|at| self.with_glob.get(at).copied());
            all.extend(entries.filter(|&at| self.entries[at].place == place));
        }
        all
    }
}

/// What the file is to messages.
const ROLE: &str = "list of accepted findings";

/// What was accepted in one run.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The entries.
    pub list: Arc<Acceptance>,
    /// Accepted findings by code.
    pub counts: BTreeMap<Code, u64>,
    /// Entries, from 1, that accept nothing, and why.
    pub idle: Vec<(usize, String)>,
    today: Date,
}

impl Accepted {
    /// Goes through all findings of a report once.
    ///
    /// # Errors
    /// Where findings cannot be read back.
    pub fn tally(list: &Arc<Acceptance>, report: &Report) -> Result<Accepted> {
        let today = jiff::tz::Offset::UTC.to_datetime(report.started).date();
        let mut accepted =
            Accepted { list: Arc::clone(list), counts: BTreeMap::new(), idle: Vec::new(), today };
        // An entry has accepted something, or would have but for its digest.
        let mut used = vec![false; list.entries.len()];
        let mut near = used.clone();
        for finding in report.findings() {
            let finding = finding?;
            let about = list.about(&finding, report);
            if let Some(at) = accepted.first_of(&about, &finding, report) {
                used[at] = true;
                *accepted.counts.entry(finding.code).or_default() += 1;
            }
            about.into_iter().for_each(|at| near[at] = true);
        }
        for (at, entry) in list.entries.iter().enumerate().filter(|(at, _)| !used[*at]) {
            let why = match (entry.expires, near[at], &entry.digest) {
                (Some(day), ..) if day < today => format!("it expired on {day}"),
                (_, true, None) => "what was found there has a digest, and the entry gives none".to_string(),
                (_, true, Some(_)) => {
                    "what was found there has another digest now, none, or is accepted by another entry"
                        .to_string()
                }
                (_, false, _) => "nothing like it was found".to_string(),
            };
            accepted.idle.push((at + 1, format!("{}: {why}", entry.what())));
        }
        Ok(accepted)
    }

    /// The entry that accepts a finding.
    pub fn entry_for(&self, finding: &Finding, report: &Report) -> Option<&Entry> {
        let at = self.first_of(&self.list.about(finding, report), finding, report)?;
        self.list.entries.get(at)
    }

    fn first_of(&self, about: &[usize], finding: &Finding, report: &Report) -> Option<usize> {
        let hangs_on = hangs_on(finding, report);
        about.iter().copied().find(|&at| {
            let entry = &self.list.entries[at];
            entry.digest == hangs_on && entry.expires.is_none_or(|day| day >= self.today)
        })
    }

    /// How many findings are accepted.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Sentences about entries that accept nothing.
    pub fn told_idle(&self) -> Vec<String> {
        let path = Escaped(self.list.path.as_os_str().as_bytes());
        let mut told: Vec<String> = self
            .idle
            .iter()
            .take(TOLD)
            .map(|(entry, why)| format!("entry {entry} of {path} accepts nothing: {why}"))
            .collect();
        if self.idle.len() > TOLD {
            told.push(format!("{} more entries of {path} accept nothing", self.idle.len() - TOLD));
        }
        told
    }
}

/// The digest that acceptance of a finding hangs on: what was found there; where the finding has no place, the manifest
/// that it is about.
fn hangs_on(finding: &Finding, report: &Report) -> Option<Digest> {
    if finding.locator.is_some() {
        return finding.found.clone();
    }
    let source = report.sources.get(finding.source?.0 as usize)?;
    Digest::from_hex(Algorithm::Sha256, source.sha256.as_deref()?.as_bytes()).ok()
}

impl Place {
    fn of(finding: &Finding, report: &Report) -> Place {
        let mut place = Place {
            code: finding.code,
            root: None,
            shard: None,
            member: Vec::new(),
            row: None,
            column: None,
            offset: None,
            line: None,
        };
        match &finding.locator {
            Some(locator) => {
                // As reports for machines show it: a root is named only where there are several.
                let root = locator.root.filter(|_| report.roots.len() > 1);
                let root = root.and_then(|root| report.roots.get(usize::from(root)));
                place.root = root.map(|root| root.as_os_str().as_bytes().to_vec());
                place.shard = Some(locator.shard.clone());
                place.member = locator.member.clone();
                place.row = locator.row;
                place.column = locator.column.clone();
                place.offset = locator.offset;
            }
            None => {
                let source = finding.source.and_then(|id| report.sources.get(id.0 as usize));
                place.line = source.zip(finding.line).map(|(source, line)| (source.path.clone(), line));
            }
        }
        place
    }
}

impl Entry {
    /// What it is about, for a message; never a digest.
    fn what(&self) -> String {
        let code = self.place.code;
        match (&self.glob, &self.place.shard, &self.place.line) {
            (Some(glob), ..) => format!("{code} {}", Escaped(glob.as_bytes())),
            (None, Some(shard), _) => {
                let inside = self.place.member.iter().map(|name| format!(" ▸ {}", Escaped(name)));
                format!("{code} {}{}", Escaped(shard), inside.collect::<String>())
            }
            (None, None, Some((source, line))) => format!("{code} {}, line {line}", Escaped(source)),
            (None, None, None) => code.to_string(),
        }
    }
}

/// The file as it is typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    #[serde(default)]
    accept: Vec<TypedEntry>,
}

/// Names as in the JSON report.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedEntry {
    code: String,
    root: Option<TypedPath>,
    shard: Option<TypedPath>,
    shard_glob: Option<String>,
    member: Option<TypedMember>,
    row: Option<u64>,
    column: Option<String>,
    offset: Option<u64>,
    source: Option<TypedPath>,
    line: Option<u64>,
    digest: Option<String>,
    reason: String,
    expires: Option<toml::Value>,
}

/// A path: a string, or the base64 of its bytes where they are not UTF-8.
#[derive(Deserialize)]
#[serde(untagged)]
enum TypedPath {
    Text(String),
    Bytes { bytes: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TypedMember {
    One(TypedPath),
    Nested(Vec<TypedPath>),
}

impl TypedPath {
    fn bytes(self) -> Result<Vec<u8>, String> {
        match self {
            TypedPath::Text(text) => Ok(text.into_bytes()),
            TypedPath::Bytes { bytes } => {
                STANDARD.decode(bytes).map_err(|_| "bytes of a path are no base64".to_string())
            }
        }
    }
}

impl TypedEntry {
    fn meaning(self) -> Result<Entry, String> {
        let code = Code::ALL.into_iter().find(|code| code.name() == self.code).ok_or_else(|| {
            format!(
                "no finding has the code {:?}; known are {}",
                self.code,
                Code::ALL.map(Code::name).join(", ")
            )
        })?;
        if code == Code::KnownBad {
            return Err(
                "known-bad is never accepted: such a finding shows no digest, so that nothing would tell \
                        when the content changes; leave the file out with --exclude, or the list"
                    .to_string(),
            );
        }
        if self.reason.trim().is_empty() {
            return Err("its reason is empty".to_string());
        }
        let line = match (self.source, self.line) {
            (Some(source), Some(line)) => Some((source.bytes()?, line)),
            (None, None) => None,
            _ => return Err("source and line go together".to_string()),
        };
        if [self.shard.is_some(), self.shard_glob.is_some(), line.is_some()].iter().filter(|is| **is).count()
            != 1
        {
            return Err("it needs one of shard, shard_glob, or source and line".to_string());
        }
        let inside = self.member.is_some() || self.row.is_some() || self.column.is_some();
        if line.is_some() && (inside || self.offset.is_some() || self.root.is_some()) {
            return Err("source and line are for findings without a place".to_string());
        }
        let member = match self.member {
            None => Vec::new(),
            Some(TypedMember::One(name)) => vec![name.bytes()?],
            Some(TypedMember::Nested(names)) => {
                names.into_iter().map(TypedPath::bytes).collect::<Result<_, _>>()?
            }
        };
        let place = Place {
            code,
            root: self.root.map(TypedPath::bytes).transpose()?,
            shard: self.shard.map(TypedPath::bytes).transpose()?,
            member,
            row: self.row,
            column: self.column,
            offset: self.offset,
            line,
        };
        let digest = self.digest.as_deref().map(digest).transpose()?;
        let expires = self.expires.as_ref().map(day).transpose()?;
        Ok(Entry { reason: self.reason, expires, place, glob: self.shard_glob, digest })
    }
}

fn digest(typed: &str) -> Result<Digest, String> {
    let no_digest = || "its digest is not ALGORITHM:HEX, as reports show it".to_string();
    let (algorithm, value) = typed.split_once(':').ok_or_else(no_digest)?;
    let algorithm = Algorithm::from_name(algorithm).ok_or_else(no_digest)?;
    Digest::from_hex(algorithm, value.as_bytes()).map_err(|why| format!("its digest: {why}"))
}

fn day(typed: &toml::Value) -> Result<Date, String> {
    let text = match typed {
        toml::Value::String(text) => text.clone(),
        toml::Value::Datetime(day) => day.to_string(),
        _ => String::new(),
    };
    text.parse().map_err(|_| "expires is no day such as 2027-01-31".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Acceptance, String> {
        Acceptance::parse(Path::new("accepted.toml"), text.as_bytes())
    }

    fn refused(text: &str) -> String {
        parse(text).err().unwrap_or_else(|| panic!("this was taken: {text}"))
    }

    #[test]
    fn entries_are_read_with_all_their_parts() {
        let digest = "ab".repeat(32);
        let list = parse(&format!(
            "[[accept]]\ncode = 'altered'\nroot = 'a'\nshard = {{ bytes = 'Yf8=' }}\nmember = ['x', 'y']\nrow = 3\n\
             column = 'c'\noffset = 9\ndigest = 'sha256:{digest}'\nreason = 'seen'\nexpires = 2027-01-31\n\
             [[accept]]\ncode = 'missing'\nshard_glob = 'gone/**'\nreason = 'licence'\nexpires = '2027-01-31'\n\
             [[accept]]\ncode = 'bad-claim'\nsource = 'SUMS'\nline = 2\ndigest = 'sha256:{digest}'\nreason = 'x'\n"
        ))
        .unwrap();
        let first = &list.entries[0];
        assert_eq!(first.place.shard.as_deref(), Some(&b"a\xff"[..]));
        assert_eq!(first.place.member, [b"x".to_vec(), b"y".to_vec()]);
        assert_eq!(first.expires, Some(jiff::civil::date(2027, 1, 31)));
        assert_eq!(list.entries[1].expires, first.expires);
        assert_eq!(list.entries[2].place.line, Some((b"SUMS".to_vec(), 2)));
        assert!(parse("").unwrap().entries.is_empty());
    }

    #[test]
    fn what_could_accept_too_much_is_refused() {
        for (text, why) in [
            ("[[accept]]\ncode = 'altered'\nshard = 'a'\n", "line 1: missing field `reason`"),
            ("[[accept]]\ncode = 'altered'\nshard = 'a'\nreason = ' '", "entry 1: its reason is empty"),
            ("[[accept]]\ncode = 'altered'\nreason = 'x'", "needs one of shard"),
            (
                "[[accept]]\ncode = 'altered'\nshard = 'a'\nshard_glob = '*'\nreason = 'x'",
                "needs one of shard",
            ),
            ("[[accept]]\ncode = 'alterd'\nshard = 'a'\nreason = 'x'", "known are known-bad, altered"),
            ("[[accept]]\ncode = 'known-bad'\nshard = 'a'\nreason = 'x'", "known-bad is never accepted"),
            ("[[accept]]\ncode = 'altered'\nshard = 'a'\nreason = 'x'\ndigest = 'sha256:00'", "its digest"),
            (
                "[[accept]]\ncode = 'altered'\nshard = 'a'\nreason = 'x'\nexpires = 'soon'",
                "expires is no day",
            ),
            ("[[accept]]\ncode = 'bad-claim'\nsource = 'a'\nreason = 'x'", "go together"),
            ("[[accept]]\ncode = 'altered'\nshard = 'a'\nreason = 'x'\nmembr = 'b'", "unknown field `membr`"),
            ("[[acept]]\ncode = 'altered'", "unknown field `acept`"),
            ("[[accept]", "line 1"),
        ] {
            let told = refused(text);
            assert!(told.contains(why), "{told}");
        }
        let twice = "[[accept]]\ncode = 'missing'\nshard = 'a'\nreason = 'x'\n".repeat(2);
        assert_eq!(refused(&twice), "entry 2: it accepts the same as entry 1");
    }
}
