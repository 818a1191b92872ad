//! What a run would do, for people and for programs. Whatever the form, it says that nothing was checked.

use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use serde_json::{Value, json};

use super::amounts::{Bytes, many};
use super::paths::PathText;
use crate::audit::{Amount, Outlook, SourceReport, Unchecked};
use crate::locator::Escaped;

/// The JSON Schema of the form for programs.
pub const PLAN_SCHEMA: &str = include_str!("plan-1.schema.json");

/// Writes what a run would do.
pub type Render = fn(&Outlook, &mut dyn Write) -> io::Result<()>;

/// The form of this name.
pub fn by_name(name: &str) -> Option<Render> {
    match name {
        "human" => Some(human),
        "json" => Some(machine),
        _ => None,
    }
}

fn human(outlook: &Outlook, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "A plan. Nothing was checked: this says what a run would do.")?;
    writeln!(out)?;
    let amount = |amount: Amount| format!("{}, {}", many(amount.files, "file", "files"), Bytes(amount.bytes));
    writeln!(out, "dataset    {}", amount(outlook.dataset))?;
    writeln!(out, "to read    {}", amount(outlook.to_read))?;
    for (what, of) in
        [("reused", outlook.reused), ("by index", outlook.indexed), ("not asked", outlook.not_asked)]
    {
        if of.files > 0 {
            writeln!(out, "{what:<10} {}", amount(of))?;
        }
    }
    writeln!(out, "time       {}", time(outlook))?;
    if !outlook.formats.is_empty() {
        writeln!(out, "\nTo read, by format:")?;
        for (format, of) in &outlook.formats {
            let opened = if of.opened > 0 { ", looked into" } else { "" };
            writeln!(out, "  {format:<24} {}{opened}", amount(of.amount))?;
        }
        if outlook.unrecognised.files > 0 {
            writeln!(out, "  {:<24} {}", "not looked at", amount(outlook.unrecognised))?;
        }
    }
    if !outlook.sources.is_empty() {
        writeln!(out, "\nAgainst:")?;
        for source in &outlook.sources {
            writeln!(out, "  {}", of_source(source))?;
        }
    }
    writeln!(out, "\nWhat will stay unchecked or is wrong already, as far as names and sizes tell:")?;
    let told = unchecked(&outlook.unchecked);
    if told.is_empty() {
        writeln!(out, "  nothing that can be told before reading")?;
    }
    told.iter().try_for_each(|(_, n, one, more)| writeln!(out, "  {}", many(*n, one, more)))
}

fn time(outlook: &Outlook) -> String {
    let rate = outlook.rate;
    let basis = || {
        let seconds = rate.time.as_secs_f64();
        format!("{}/s over {} in {seconds:.1} s", Bytes(rate.per_second()), Bytes(rate.bytes))
    };
    match rate.range(outlook.to_read.bytes) {
        Some((_, most)) if most.is_zero() => "nothing is to be read".to_string(),
        Some((_, most)) if rate.is_all => format!("{} (all of it was read just now)", rough(most)),
        Some((least, most)) => format!("{} to {} of reading ({})", rough(least), rough(most), basis()),
        None => "cannot be told: nothing could be read within some seconds".to_string(),
    }
}

fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => "less than 1 s".to_string(),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn of_source(source: &SourceReport) -> String {
    let name = Escaped(&source.path);
    if let Some(why) = &source.unusable {
        return format!("{} {name}: cannot be used: {why}", source.role);
    }
    let scope = source.scope.map_or(String::new(), |scope| match scope {
        "folder" => "; lists its folder completely".to_string(),
        "unknown" => "; what is missing cannot be told".to_string(),
        _ => "; claims only what it names".to_string(),
    });
    format!("{} {name}: {} ({}){scope}", source.role, many(source.entries, "entry", "entries"), source.format)
}

/// The name for programs, how many, and the words for one and for several.
fn unchecked(of: &Unchecked) -> Vec<(&'static str, u64, &'static str, &'static str)> {
    let all = [
        (
            "unusable_claims",
            of.unusable_claims,
            "entry without a digest that can be compared",
            "entries without a digest that can be compared",
        ),
        (
            "absent_names",
            of.absent_names,
            "published name is not here; its content is sought",
            "published names are not here; their content is sought",
        ),
        (
            "other_size",
            of.other_size,
            "file has another size than published",
            "files have another size than published",
        ),
        (
            "not_opened",
            of.not_opened,
            "link, device or pointer that is not read",
            "links, devices and pointers that are not read",
        ),
        ("unlisted", of.unlisted, "folder cannot be listed", "folders cannot be listed"),
        (
            "left_out",
            of.left_out,
            "file is left out by --include or --exclude",
            "files are left out by --include or --exclude",
        ),
        (
            "rejected",
            of.rejected,
            "refused line of a manifest or list",
            "refused lines of manifests and lists",
        ),
        (
            "unusable_manifests",
            of.unusable_manifests,
            "manifest that was found cannot be used",
            "manifests that were found cannot be used",
        ),
        (
            "closed_files",
            of.closed_files,
            "file of a format that is hashed whole and not looked into",
            "files of formats that are hashed whole and not looked into",
        ),
    ];
    all.into_iter().filter(|(_, n, ..)| *n > 0).collect()
}

fn machine(outlook: &Outlook, out: &mut dyn Write) -> io::Result<()> {
    let amount = |amount: Amount| json!({ "files": amount.files, "bytes": amount.bytes });
    let formats = outlook.formats.iter().map(|(name, of)| {
        json!({ "format": name, "files": of.amount.files, "bytes": of.amount.bytes, "opened": of.opened })
    });
    let sources = outlook.sources.iter().map(|source| {
        json!({
            "role": source.role, "path": PathText(&source.path), "format": source.format,
            "entries": source.entries, "rejected": source.rejected, "scope": source.scope,
            "unusable": source.unusable,
        })
    });
    let seconds = |time: Duration| json!(time.as_secs_f64());
    let range = outlook.rate.range(outlook.to_read.bytes);
    let Unchecked {
        unusable_claims,
        absent_names,
        other_size,
        not_opened,
        unlisted,
        left_out,
        rejected,
        unusable_manifests,
        closed_files,
    } = outlook.unchecked;
    let value = json!({
        "schema": "shardproof.plan/1",
        "tool": { "name": "shardproof", "version": env!("CARGO_PKG_VERSION") },
        "checked": false,
        "arguments": outlook.arguments,
        "dataset": {
            "roots": outlook.roots.iter().map(|r| json!(PathText(r.as_os_str().as_bytes()))).collect::<Vec<_>>(),
            "files": outlook.dataset.files, "bytes": outlook.dataset.bytes,
        },
        "to_read": amount(outlook.to_read),
        "reused": amount(outlook.reused),
        "indexed": amount(outlook.indexed),
        "not_asked": amount(outlook.not_asked),
        "formats": formats.collect::<Vec<_>>(),
        "unrecognised": amount(outlook.unrecognised),
        "time": {
            "measured_bytes": outlook.rate.bytes,
            "measured_seconds": seconds(outlook.rate.time),
            "bytes_per_second": outlook.rate.per_second(),
            "least_seconds": range.map_or(Value::Null, |(least, _)| seconds(least)),
            "most_seconds": range.map_or(Value::Null, |(_, most)| seconds(most)),
        },
        "sources": sources.collect::<Vec<_>>(),
        "scope": outlook.scope,
        "claims": outlook.claims,
        "unchecked": {
            "unusable_claims": unusable_claims, "absent_names": absent_names, "other_size": other_size,
            "not_opened": not_opened, "unlisted": unlisted, "left_out": left_out, "rejected": rejected,
            "unusable_manifests": unusable_manifests, "closed_files": closed_files,
        },
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Opened, Rate};

    fn sample() -> Outlook {
        let mut source = SourceReport::new("manifest", b"SHA\xff".to_vec());
        (source.format, source.entries, source.scope) = ("sums", 3, Some("folder"));
        let amount = Amount { files: 2, bytes: 1 << 40 };
        Outlook {
            arguments: vec!["verify".into()],
            roots: vec!["d".into()],
            dataset: amount,
            to_read: amount,
            reused: Amount { files: 1, bytes: 5 },
            indexed: Amount::default(),
            not_asked: Amount::default(),
            formats: [("tar", Opened { amount, opened: 2 })].into(),
            unrecognised: Amount::default(),
            rate: Rate { bytes: 1 << 30, time: Duration::from_secs(2), is_all: false },
            sources: vec![source],
            scope: "whole",
            claims: 3,
            unchecked: Unchecked { absent_names: 1, closed_files: 2, ..Unchecked::default() },
        }
    }

    fn rendered(form: &str) -> String {
        let mut text = Vec::new();
        by_name(form).unwrap()(&sample(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_form_for_programs_follows_its_schema() {
        let value: Value = serde_json::from_str(&rendered("json")).unwrap();
        let schema: Value = serde_json::from_str(PLAN_SCHEMA).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(value["checked"], false);
        assert_eq!(value["time"]["most_seconds"], 4096.0);
    }

    #[test]
    fn people_are_told_first_that_nothing_was_checked() {
        let text = rendered("human");
        assert!(text.starts_with("A plan. Nothing was checked"), "{text}");
        for part in [
            "to read    2 files, 1.00 TiB\n",
            "reused     1 file, 5 B\n",
            "time       24 min to 1 h 8 min of reading (512.0 MiB/s over 1.00 GiB in 2.0 s)",
            "  1 published name is not here; its content is sought\n",
            "  2 files of formats that are hashed whole and not looked into\n",
            "  manifest SHA\\xff: 3 entries (sums); lists its folder completely\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn what_cannot_be_measured_has_no_time() {
        assert_eq!(Rate::default().range(5), None);
        assert_eq!(Rate::default().range(0), Some((Duration::ZERO, Duration::ZERO)));
        assert_eq!(rough(Duration::from_millis(300)), "less than 1 s");
    }
}
