//! `--failed-out`: the files to be fetched again, one path on a line, below comments that tell which commands fetch them.
//!
//! The file is UTF-8. A path that would not fit on a line of it, or would look like something else, is written as GNU
//! coreutils writes names in sums files: a backslash before the line, and in it `\\`, `\n`, `\r`; beyond that `\xHH` for
//! other control characters, bytes that are no UTF-8, and a `#` at the beginning. Where nothing is to be fetched, the
//! file is empty.

use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::{RenderError, Renderer};
use crate::audit::Report;
use crate::audit::repair::{By, Repair, repairs};
use crate::audit::report::HubOrigin;
use crate::error::Error;
use crate::index::observations::is_index;
use crate::index::spool::{Scratch, Sorted};
use crate::locator::Escaped;

/// Files in one command: shells and systems bound the length of one.
const IN_COMMAND: usize = 100;

/// Above so many files commands are no longer written out, but one that takes them from this list.
const WRITTEN_OUT: u64 = 1000;

/// Memory before paths go to a scratch file.
const BUDGET: usize = 4 << 20;

/// The list of what has to be fetched again.
#[derive(Clone, Debug)]
pub struct RepairList {
    /// Where paths go that do not fit the memory.
    pub scratch: PathBuf,
}

impl Renderer for RepairList {
    fn name(&self) -> &'static str {
        "failed"
    }

    fn render(&self, report: &Report, out: &mut dyn Write) -> Result<(), RenderError> {
        let all = repairs(report, &Scratch::new(&self.scratch, BUDGET))?;
        let several = report.roots.len() > 1;
        let roots = (0..report.roots.len()).filter_map(|root| u16::try_from(root).ok()).map(Some);
        for root in std::iter::once(None).chain(roots) {
            let mut counts = [0; 3];
            for repair in of_root(&all, root) {
                counts[repair?.by as usize] += 1;
            }
            if counts == [0; 3] {
                continue;
            }
            if several {
                let name = root.and_then(|root| report.roots.get(usize::from(root)));
                match name {
                    Some(name) => writeln!(out, "# in {}:", Escaped(name.as_os_str().as_bytes()))?,
                    None => writeln!(out, "# in any of the datasets:")?,
                }
            }
            for by in [By::Download, By::GitLfs, By::GitAnnex] {
                Commands { report, root, by, count: counts[by as usize] }.write(&all, out)?;
            }
            for repair in of_root(&all, root) {
                writeln!(out, "{}", line(&repair?.path))?;
            }
        }
        Ok(())
    }
}

/// The files of one root, each once.
fn of_root(all: &Sorted<Repair>, root: Option<u16>) -> impl Iterator<Item = Result<Repair, Error>> {
    let mut last: Option<Vec<u8>> = None;
    all.iter().map(|record| record.map(|(_, repair)| repair)).filter(move |repair| match repair {
        Err(_) => true,
        Ok(repair) if repair.root != root || last.as_ref() == Some(&repair.path) => false,
        Ok(repair) => {
            last = Some(repair.path.clone());
            true
        }
    })
}

fn line(path: &[u8]) -> String {
    let is_plain = |text: &str| {
        !text.starts_with('#') && !text.contains(|c: char| c.is_control() || c == '\\' || c == '\u{feff}')
    };
    match std::str::from_utf8(path) {
        Ok(text) if is_plain(text) => text.to_string(),
        _ => {
            let mut line = "\\".to_string();
            for chunk in path.utf8_chunks() {
                for c in chunk.valid().chars() {
                    match c {
                        '\\' => line.push_str("\\\\"),
                        '\n' => line.push_str("\\n"),
                        '\r' => line.push_str("\\r"),
                        '#' if line.len() == 1 => line.push_str("\\x23"),
                        c if c.is_control() || c == '\u{feff}' => {
                            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                                let _ = write!(line, "\\x{byte:02x}");
                            }
                        }
                        c => line.push(c),
                    }
                }
                for byte in chunk.invalid() {
                    let _ = write!(line, "\\x{byte:02x}");
                }
            }
            line
        }
    }
}

/// The commands that fetch the files of one root which one program fetches.
struct Commands<'a> {
    report: &'a Report,
    root: Option<u16>,
    by: By,
    count: u64,
}

impl Commands<'_> {
    fn write(&self, all: &Sorted<Repair>, out: &mut dyn Write) -> Result<(), RenderError> {
        let hub = self.hub();
        let (start, from_list) = match (self.by, hub) {
            _ if self.count == 0 => return Ok(()),
            (By::Download, Some(hub)) => {
                let Some(start) = self.hf_download(hub) else { return Ok(()) };
                if hub.repository.is_none() {
                    writeln!(
                        out,
                        "# Put the name of the repository, and its type, in place of REPO_ID and dataset."
                    )?;
                }
                let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"/_-".contains(b);
                let cut = match std::str::from_utf8(&hub.base) {
                    Ok("") => String::new(),
                    Ok(base) if hub.base.iter().all(is_plain) => format!("s#^{base}/##; "),
                    // No pattern for every tool: such a list is taken by hand.
                    _ => return Ok(writeln!(out, "# {start}")?),
                };
                let sed = format!("sed '{cut}s/[[*?]/[&]/g; s/^/--include=/'");
                (start.clone(), format!("{sed} | xargs -d '\\n' -n {IN_COMMAND} {start}"))
            }
            // Where files come from that nothing on the disk tells of, only the user knows.
            (By::Download, None) => return Ok(()),
            (By::GitLfs, _) => {
                let Some(folder) = self.folder(None) else { return Ok(()) };
                let start = format!("git -C {folder} lfs pull");
                (start.clone(), start)
            }
            (By::GitAnnex, _) => {
                let Some(folder) = self.folder(None) else { return Ok(()) };
                let start = format!("git -C {folder} annex get --");
                (start.clone(), format!("xargs -d '\\n' -n {IN_COMMAND} {start}"))
            }
        };
        if self.count > WRITTEN_OUT {
            return match self.by {
                By::GitLfs => Ok(writeln!(out, "# {from_list}")?),
                _ => Ok(writeln!(out, "# grep -v '^[#\\]' THIS_FILE | {from_list}")?),
            };
        }
        let mut names = Vec::new();
        let mut left_out = 0u64;
        for repair in of_root(all, self.root) {
            let repair = repair?;
            match self.name(&repair.path, hub) {
                _ if repair.by != self.by => {}
                Some(name) => names.push(name),
                None => left_out += 1,
            }
            if names.len() == IN_COMMAND {
                self.command(&start, &mut names, out)?;
            }
        }
        self.command(&start, &mut names, out)?;
        if left_out > 0 && self.by == By::GitLfs {
            writeln!(out, "# {start}")?;
        } else if left_out > 0 {
            writeln!(out, "# {left_out} of the names below cannot stand in such a command.")?;
        }
        Ok(())
    }

    fn command(&self, start: &str, names: &mut Vec<String>, out: &mut dyn Write) -> Result<(), RenderError> {
        if names.is_empty() {
            return Ok(());
        }
        match self.by {
            By::Download => {
                let names = names.iter().map(|name| format!(" --include {}", quoted(name)));
                writeln!(out, "# {start}{}", names.collect::<String>())?;
            }
            By::GitLfs => writeln!(out, "# {start} --include={}", quoted(&names.join(",")))?,
            By::GitAnnex => {
                let names: Vec<_> = names.iter().map(|name| quoted(name)).collect();
                writeln!(out, "# {start} {}", names.join(" "))?;
            }
        }
        names.clear();
        Ok(())
    }

    /// The name of a file as its program takes it; `None` for one that it would take for something else.
    fn name(&self, path: &[u8], hub: Option<&HubOrigin>) -> Option<String> {
        let mut path = path;
        if let (By::Download, Some(hub)) = (self.by, hub) {
            if !hub.base.is_empty() {
                path = path.strip_prefix(hub.base.as_slice())?.strip_prefix(b"/")?;
            }
            // What the client keeps beside the data is no file of the repository.
            if path.starts_with(b".cache/huggingface/") {
                return None;
            }
        }
        let name = std::str::from_utf8(path).ok().filter(|name| !name.contains(char::is_control))?;
        match self.by {
            // `--include` takes patterns of Python's fnmatch.
            By::Download => {
                let special = |c: char| matches!(c, '[' | '*' | '?');
                let name = name.chars().map(|c| if special(c) { format!("[{c}]") } else { c.to_string() });
                Some(name.collect())
            }
            By::GitLfs => {
                Some(name.to_string()).filter(|name| !name.contains([',', '*', '?', '[', '\\', '!', '#']))
            }
            By::GitAnnex => Some(name.to_string()),
        }
    }

    /// The repository of the Hub that the files of this root come from.
    fn hub(&self) -> Option<&HubOrigin> {
        let all = self.report.sources.iter().filter_map(|source| source.hub.as_ref());
        let mut of_root =
            all.filter(|hub| hub.root.is_none() || self.root.is_none() || hub.root == self.root);
        of_root.next()
    }

    fn hf_download(&self, hub: &HubOrigin) -> Option<String> {
        let (kind, name) = match &hub.repository {
            Some((kind, name)) => (*kind, name.as_str()),
            None => ("dataset", "REPO_ID"),
        };
        let revision = hub.revision.as_deref().unwrap_or("COMMIT");
        let place = match &hub.cache {
            Some(cache) => format!("--cache-dir {}", quoted(&cache.to_string_lossy())),
            None => format!("--local-dir {}", self.folder(hub.root)?),
        };
        let (name, revision) = (quoted(name), quoted(revision));
        // Without force the client keeps a file that is there, altered or not.
        Some(format!("hf download {name} --repo-type {kind} --revision {revision} {place} --force-download"))
    }

    /// The folder that files are fetched into; none for what is no folder of files, such as an index.
    fn folder(&self, told: Option<u16>) -> Option<String> {
        let root = self.report.roots.get(usize::from(self.root.or(told)?))?;
        (root.is_dir() && !is_index(root)).then(|| quoted(&root.to_string_lossy()))
    }
}

/// A word as shells of Unix take it literally, on one line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    // A control character would end the comment that the command stands in.
    let word: String =
        word.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn rendered(report: &Report) -> String {
        let mut out = Vec::new();
        RepairList { scratch: std::env::temp_dir() }.render(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_file_stands_on_a_line_of_its_own() {
        assert_eq!(rendered(&sample::bad(1)), "\\\\x1b[31m.bin\na.tar\ngone.txt\n");
        assert_eq!(rendered(&sample::clean()), "");
        let two = rendered(&sample::bad(2));
        assert_eq!(two, "# in any of the datasets:\ngone.txt\n# in data/b:\n\\\\x1b[31m.bin\na.tar\n");
    }

    #[test]
    fn odd_names_are_escaped_so_that_they_can_be_had_back() {
        for (path, shown) in [
            (&b"a b/c.txt"[..], "a b/c.txt"),
            (b"a\nb", "\\a\\nb"),
            (b"a\\b", "\\a\\\\b"),
            (b"\xff\t", "\\\\xff\\x09"),
            (b"#1", "\\\\x231"),
            (b"a#1", "a#1"),
        ] {
            assert_eq!(line(path), shown);
        }
    }

    #[test]
    fn the_hub_is_asked_for_exactly_these_files() {
        let mut report = sample::bad(1);
        report.sources[0].hub = Some(HubOrigin {
            root: Some(0),
            repository: Some(("dataset", "org/name".to_string())),
            revision: Some("c0".to_string()),
            cache: Some(PathBuf::from("/my cache")),
            base: Vec::new(),
        });
        let text = rendered(&report);
        assert!(
            text.starts_with(
                "# hf download org/name --repo-type dataset --revision c0 --cache-dir '/my cache' --force-download \
                 --include a.tar --include gone.txt\n# 1 of the names below cannot stand in such a command.\n"
            ),
            "{text}"
        );
        report.sources[0].hub = Some(HubOrigin {
            repository: None,
            revision: None,
            cache: None,
            ..report.sources[0].hub.clone().unwrap()
        });
        assert!(!rendered(&report).contains("# hf"), "there is no folder to fetch into");
        let folder = tempfile::tempdir().unwrap();
        report.roots[0] = folder.path().to_path_buf();
        let text = rendered(&report);
        let command = format!(
            "# hf download REPO_ID --repo-type dataset --revision COMMIT --local-dir {} ",
            quoted(&folder.path().to_string_lossy())
        );
        assert!(text.contains(&command), "{text}");
        assert!(text.starts_with("# Put the name of the repository"), "{text}");
    }

    #[test]
    fn words_for_a_shell_are_literal() {
        assert_eq!(quoted("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(quoted(""), "''");
        assert!(!quoted("a\nrm -rf").contains('\n'));
    }
}
