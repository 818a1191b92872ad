//! What to do next: a sentence for each code that was found.

use super::super::RenderError;
use super::Page;
use super::wording::Purpose;
use crate::audit::Report;
use crate::finding::{Class, Code};

pub(super) fn write(report: &Report, page: &mut Page<'_>) -> Result<(), RenderError> {
    // Copies may differ: only what could not be read asks for something.
    let compared = Purpose::of(report) == Purpose::Compare;
    let found =
        report.counts.iter().filter(|(code, n)| **n > 0 && !(compared && code.class() == Class::Wrong));
    let hub = report.sources.iter().any(|source| source.format.starts_with("hf-"));
    let mut sentences: Vec<&str> = Vec::new();
    for sentence in found.filter_map(|(&code, _)| next(code, hub)) {
        // Codes may share a sentence: what to do with damage is the same whoever told it.
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    if sentences.is_empty() {
        return Ok(());
    }
    page.heading("What to do next")?;
    sentences.iter().try_for_each(|sentence| page.line(sentence))
}

/// What a person can do about findings of this code; `hub`: the data came from the Hugging Face Hub.
fn next(code: Code, hub: bool) -> Option<&'static str> {
    Some(match code {
        Code::KnownBad => {
            "known-bad: do not open, copy or share these items. Having or sending them may be illegal where you are, \
             and duties to report or to preserve may apply: get legal advice, and contact the hotline of your country \
             (inhope.org) or NCMEC in the US."
        }
        Code::Altered if hub => {
            "altered: delete these files and run `hf download` again; if they come back altered, tell the publisher."
        }
        Code::Altered => "altered: download these again; if they come back altered, tell the publisher.",
        Code::Missing if hub => {
            "missing: run `hf download` again, it fetches what is not here; or say --subset if a part is all you want."
        }
        Code::Missing => "missing: download these again; or say --subset if a part is all you want.",
        Code::Moved => {
            "moved: give these their published names back, or get the manifest of the release you have."
        }
        Code::Undisclosed => {
            "undisclosed: find out who added these before you use them; if the manifest was never meant to list \
             everything, say --scope none."
        }
        Code::Pointer => {
            "pointer: run `git lfs pull` (git-annex: `git annex get .`) to fetch the data itself."
        }
        Code::Conflict => {
            "conflict: ask the publisher which entry is right; --manifest names the one you trust."
        }
        Code::UnsafeName => {
            "unsafe-name: do not unpack these or pass them to tools that follow names; tell the publisher."
        }
        Code::BadManifest => {
            "bad-manifest: tell the publisher; what the manifest claims was checked as far as it can be understood."
        }
        Code::BadClaim => {
            "bad-claim: the manifest is wrong there, whatever the data is; get it again or tell the publisher. \
             --algorithm names the algorithm of digests that stand without one."
        }
        Code::Unverifiable => {
            "unverifiable: ask the publisher for SHA-256 digests; nothing else can be done about these here."
        }
        Code::Unverified | Code::Unreadable => {
            "unreadable, unverified: see that the files can be read (permissions, disk, complete download) and run \
             this again."
        }
        Code::ChangedWhileReading => {
            "changed-while-reading: run this again when nothing writes to the dataset."
        }
        Code::UnfollowedLink => {
            "unfollowed-link: --follow-links reads what these lead to, if you trust them."
        }
        Code::ExternalReference => {
            "external-reference: see that what these rows name is part of the dataset; it is not read through them."
        }
        Code::Duplicate | Code::OddName | Code::Opaque => return None,
    })
}
