//! Croissant 0.8, 1.0 and 1.1, the JSON-LD that Hugging Face, Kaggle and OpenML publish for their datasets.
//!
//! `distribution` holds FileObjects (`contentUrl`, `sha256` or `md5`, `contentSize`, `containedIn`) and FileSets, which
//! are patterns and have no digest (docs.mlcommons.org/croissant, "Resources"). A relative `contentUrl` lies beside the
//! JSON. The digest is written in hexadecimal or base64 (mlcroissant tries both). Few publishers give one: a link to an
//! issue, `sha256`, or an MD5 in its place are common.
//!
//! - What lies in an archive that has a digest is as its archive is: no digest is needed, and none is given.
//! - A repository is no file: whatever digest is written of one has no bytes that it could be of.
//! - `contentSize` is a text for people, which publishers copy from file to file: it counts only where there is no digest,
//!   and only as an exact `N B`.

mod node;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;

use self::node::{Node, bare};
use super::json_walk::broken;
use super::labelled::Writing;
use super::{Context, ManifestError, ManifestFormat, begins_like_json, path_of_url, url_subject};
use crate::claim::{Claim, ClaimSink, Scope, Subject, Unusable};
use crate::locator::{Escaped, ItemPath};

/// Bytes of the largest description that is read: what it says of files is held, for one may lie in a later one.
const LARGEST: u64 = 128 << 20;

/// Containers in containers that are looked into.
const DEEPEST: usize = 16;

/// The format of Croissant.
#[derive(Clone, Copy, Debug)]
pub struct Croissant;

impl ManifestFormat for Croissant {
    fn name(&self) -> &'static str {
        "croissant"
    }

    fn is_used_where_it_lies(&self) -> bool {
        false
    }

    fn recognises(&self, _file_name: &[u8], head: &[u8]) -> bool {
        let has = |text: &[u8]| memchr::memmem::find(head, text).is_some();
        let marks: [&[u8]; 5] = [
            b"mlcommons.org/croissant",
            b"mlcommons.org/schema",
            b":FileObject\"",
            b":FileSet\"",
            b"\"FileObject\"",
        ];
        begins_like_json(head) && has(b"\"@type\"") && marks.iter().any(|mark| has(mark))
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let head = input.fill_buf()?;
        if head.is_empty() {
            return Err(not_this_format("it is empty"));
        }
        if !begins_like_json(head) {
            return Err(not_this_format("it does not begin with a JSON object"));
        }
        let files = Files::new(whole(input)?);
        if files.nodes.is_empty() {
            return Err(not_this_format("its distribution names no FileObject and no FileSet"));
        }
        for at in 0..files.nodes.len() {
            files.tell(at, context, sink)?;
        }
        files.tell_references(sink)?;
        Ok(Scope::Named)
    }
}

fn not_this_format(why: &str) -> ManifestError {
    ManifestError::NotThisFormat(why.to_owned())
}

fn whole(input: &mut dyn BufRead) -> Result<Node, ManifestError> {
    let mut limited = BufReader::new(input.take(LARGEST));
    let mut json = serde_json::Deserializer::from_reader(&mut limited);
    let read = serde::Deserialize::deserialize(&mut json).and_then(|node: Node| json.end().map(|()| node));
    match read {
        Err(_) if limited.get_ref().limit() == 0 => Err(ManifestError::NotThisFormat(format!(
            "it is larger than {LARGEST} bytes, the most that are read"
        ))),
        read => read.map_err(|e| broken(&e, "a Croissant description")),
    }
}

/// Everything that a description says of files, in its order.
struct Files {
    nodes: Vec<Node>,
    /// What the distribution refers to.
    references: Vec<String>,
    /// By `@id`, or by name in 0.8; `None` where several are called so.
    by_id: HashMap<String, Option<usize>>,
    is_live: bool,
    /// What containers in containers are covered by, as far as that was asked.
    covers: RefCell<HashMap<usize, Cover>>,
}

/// What lies in what: by whose digest something is covered.
#[derive(Clone, Debug)]
enum Cover {
    /// By that of this FileObject.
    By(usize),
    /// By none, for this reason.
    None(String),
}

impl Files {
    fn new(root: Node) -> Files {
        let mut files = Files {
            nodes: Vec::new(),
            references: Vec::new(),
            by_id: HashMap::new(),
            is_live: false,
            covers: RefCell::default(),
        };
        files.gather(root, false);
        for (at, node) in files.nodes.iter().enumerate() {
            if let Some(id) = node.id.first().or(node.name.first()) {
                files.by_id.entry(bare(id).to_owned()).and_modify(|known| *known = None).or_insert(Some(at));
            }
        }
        files
    }

    /// Takes a node and those in it. What is listed as a part of the distribution counts, whatever it is; elsewhere only
    /// files and sets of files do, and what has a URL or a digest like one.
    fn gather(&mut self, mut node: Node, listed: bool) {
        self.is_live |= node.is_live;
        let distribution = std::mem::take(&mut node.distribution);
        let graph = std::mem::take(&mut node.graph);
        let parts = std::mem::take(&mut node.parts);
        let is_file = node.is("FileObject") || node.is("FileSet") || node.is_untyped_file();
        if listed && node.is_reference() {
            // It stands for a node elsewhere, which must be there.
            self.references.append(&mut node.id.0);
        } else if is_file || listed {
            self.nodes.push(node);
        }
        distribution.into_iter().for_each(|part| self.gather(part, true));
        // A dataset may have other datasets and texts as its parts; a file has files.
        parts.into_iter().for_each(|part| self.gather(part, is_file || listed));
        graph.into_iter().for_each(|part| self.gather(part, false));
    }

    /// Hands on what is said of one file or set of files.
    fn tell(&self, at: usize, context: &Context<'_>, sink: &mut dyn ClaimSink) -> Result<(), ManifestError> {
        let node = &self.nodes[at];
        let line = at as u64 + 1;
        if node.is("FileSet") {
            return self.tell_set(node, line, sink);
        }
        if !node.is("FileObject") {
            return Ok(sink.reject(line, "it is neither a FileObject nor a FileSet".to_owned())?);
        }
        let Some(url) = node.content_url.first() else {
            return Ok(sink.reject(line, "it has no contentUrl".to_owned())?);
        };
        if node.is_repository() {
            return Ok(sink.uncheckable(
                line,
                called(node),
                of_repository(self.claim(node, line, context)),
            )?);
        }
        if node.contained_in.is_empty() {
            if is_folder(url, context) {
                let why = "its contentUrl is a folder or a page, and a digest of one has no bytes".to_owned();
                return Ok(sink.uncheckable(line, called(node), Unusable::NotComputable(why))?);
            }
            return Ok(sink.claim(self.claim(node, line, context))?);
        }
        self.tell_contained(node, line, context, sink)
    }

    /// Rejects what the distribution refers to without its being there. Such entries come after all others.
    fn tell_references(&self, sink: &mut dyn ClaimSink) -> Result<(), ManifestError> {
        for (at, id) in self.references.iter().enumerate() {
            if !self.by_id.contains_key(bare(id)) {
                let id = Escaped(id.as_bytes());
                let why = format!(
                    "it refers to {id}, and the manifest describes no FileObject or FileSet of that @id"
                );
                sink.reject((self.nodes.len() + at) as u64 + 1, why)?;
            }
        }
        Ok(())
    }

    fn tell_contained(
        &self,
        node: &Node,
        line: u64,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<(), ManifestError> {
        let claim = self.claim(node, line, context);
        if node.digests.is_empty() {
            let told = match self.cover(node, 0) {
                // It is as its archive is.
                Cover::By(archive) => sink.claim(self.claim(&self.nodes[archive], line, context)),
                Cover::None(why) => sink.uncheckable(line, called(node), Unusable::NotComputable(why)),
            };
            return Ok(told?);
        }
        match self.inner_subject(node) {
            Some(subject) => Ok(sink.claim(Claim { subject, ..claim })?),
            None => {
                let why = "it lies in something that is not a file beside the manifest: extract it, and give its digest \
                           in a list of its own";
                let why = claim.unusable.unwrap_or(Unusable::NotComputable(why.to_owned()));
                Ok(sink.uncheckable(line, called(node), why)?)
            }
        }
    }

    /// A set whose containers all have digests is as they are; of any other nothing can be compared.
    fn tell_set(&self, node: &Node, line: u64, sink: &mut dyn ClaimSink) -> Result<(), ManifestError> {
        let why = if node.contained_in.is_empty() {
            "it is a set of files, and Croissant gives no digests of them".to_owned()
        } else {
            match self.cover(node, 0) {
                Cover::By(_) => return Ok(()),
                Cover::None(why) => why,
            }
        };
        Ok(sink.uncheckable(line, called(node), Unusable::NotComputable(why))?)
    }

    /// By what a container that lies in others is covered, found once for each.
    fn cover_at(&self, at: usize, depth: usize) -> Cover {
        if let Some(known) = self.covers.borrow().get(&at) {
            return known.clone();
        }
        let cover = self.cover(&self.nodes[at], depth);
        self.covers.borrow_mut().insert(at, cover.clone());
        cover
    }

    /// By what the files in all containers of a node are covered.
    fn cover(&self, node: &Node, depth: usize) -> Cover {
        let mut first = Cover::None("nothing says what it lies in".to_owned());
        for (ordinal, container) in node.contained_in.iter().enumerate() {
            let id = Escaped(container.id.as_bytes());
            if container.is_transformed {
                return Cover::None(format!(
                    "its files are named by the content of {id}, whose digest is not theirs"
                ));
            }
            let Some(&Some(at)) = self.by_id.get(bare(&container.id)) else {
                return Cover::None(format!("it lies in {id}, which the manifest does not describe"));
            };
            let outer = &self.nodes[at];
            let cover = if depth >= DEEPEST {
                Cover::None(format!("it lies in {id}, and that in too many others"))
            } else if outer.is_repository() {
                Cover::None(format!("it has no digest, and lies in the repository {id}, which has none"))
            } else if !outer.contained_in.is_empty() {
                self.cover_at(at, depth + 1)
            } else if outer.is("FileObject") && !outer.content_url.0.is_empty() && has_digest(outer) {
                Cover::By(at)
            } else {
                Cover::None(format!("it has no digest, nor has {id}, in which it lies, one that can be used"))
            };
            match cover {
                Cover::None(why) => return Cover::None(why),
                by if ordinal == 0 => first = by,
                Cover::By(_) => {}
            }
        }
        first
    }

    /// What a file with a digest of its own is about, where it lies in an archive beside the manifest, or in a repository.
    fn inner_subject(&self, node: &Node) -> Option<Subject> {
        let [container] = node.contained_in.as_slice() else { return None };
        let outer = &self.nodes[(*self.by_id.get(bare(&container.id))?)?];
        let inner = ItemPath::parse(node.content_url.first()?.as_bytes()).ok()?;
        if container.is_transformed || !outer.contained_in.is_empty() {
            return None;
        }
        if outer.is_repository() {
            return Some(Subject::Url { path: inner, also: Vec::new() });
        }
        let archive = outer.content_url.first().filter(|url| path_of_url(url.as_bytes()).is_none())?;
        let archive = ItemPath::parse(archive.as_bytes()).ok()?;
        Some(Subject::Path(inner.below(archive.as_bytes())))
    }

    /// The claim that a FileObject makes on what its `contentUrl` names.
    fn claim(&self, node: &Node, line: u64, context: &Context<'_>) -> Claim {
        let urls = &node.content_url.0;
        let mirrors = urls.iter().skip(1).filter_map(|url| path_of_url(url.as_bytes()));
        let also: Vec<Vec<u8>> = [&node.name, &node.id]
            .into_iter()
            .filter_map(|texts| Some(texts.first()?.as_bytes().to_vec()))
            .chain(mirrors)
            .collect();
        let also: Vec<&[u8]> = also.iter().map(Vec::as_slice).collect();
        let url = urls.first().map_or(&b""[..], String::as_bytes);
        let mut claim = Claim::new(context.source, line, url_subject(url, &also));
        for (label, text) in &node.digests {
            claim = claim.labelled(label, text.as_bytes(), Writing::HexOrBase64);
        }
        if claim.digests.is_empty() && !matches!(claim.unusable, Some(Unusable::Impossible(_))) {
            claim.size = node.content_size.first().and_then(exact_size);
            let why = if self.is_live {
                "its publisher gives no digest of it, for the dataset changes (isLiveDataset)"
            } else {
                "the manifest gives no digest of it"
            };
            // A size can be compared, whatever comes of that.
            claim.unusable = claim
                .size
                .is_none()
                .then(|| claim.unusable.unwrap_or(Unusable::NotComputable(why.to_owned())));
        }
        claim
    }
}

/// Whether a FileObject has a digest that can be compared.
fn has_digest(node: &Node) -> bool {
    let subject = Subject::Refused { name: Vec::new(), why: crate::locator::UnsafeName::Empty };
    let claim = Claim::new(crate::claim::SourceId(0), 0, subject);
    let labelled = node
        .digests
        .iter()
        .fold(claim, |claim, (label, text)| claim.labelled(label, text.as_bytes(), Writing::HexOrBase64));
    labelled.unusable.is_none() && !labelled.digests.is_empty()
}

/// What is wrong with whatever stands as the digest of a repository.
fn of_repository(claim: Claim) -> Unusable {
    match claim.unusable {
        Some(Unusable::Impossible(why)) => Unusable::Impossible(format!("of a git repository: {why}")),
        _ => {
            let why = "it is a git repository: a digest of one has no bytes that it is of";
            Unusable::NotComputable(why.to_owned())
        }
    }
}

/// What an entry is called where no file is claimed.
fn called(node: &Node) -> &[u8] {
    node.id.first().or(node.name.first()).or(node.content_url.first()).unwrap_or("distribution").as_bytes()
}

/// Whether a `contentUrl` names a folder: one beside the manifest, or by how it is written.
fn is_folder(url: &str, context: &Context<'_>) -> bool {
    if url.ends_with('/') || url == "." {
        return true;
    }
    let local = path_of_url(url.as_bytes()).is_none().then(|| ItemPath::parse(url.as_bytes()).ok()).flatten();
    let beside = context.path.parent().zip(local);
    beside.is_some_and(|(folder, path)| folder.join(OsStr::from_bytes(path.as_bytes())).is_dir())
}

/// `117743 B` as a number; `97.73 TiB`, ` B` and other texts are no exact size.
fn exact_size(text: &str) -> Option<u64> {
    let digits = text.trim().strip_suffix('B')?.trim_end();
    let all = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
