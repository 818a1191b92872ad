//! What typed words mean: sources, globs, sizes, columns.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use shardproof::audit::{ScopeOption, SourceSpec};
use shardproof::digest::Algorithm;
use shardproof::hashlist::{self, Columns};
use shardproof::manifest;

/// The least memory that readers and joins can work in.
const LEAST_MEMORY: u64 = 16 << 20;

/// Manifests as `FORMAT:FILE` or `FILE`; what names a column is none of them.
pub fn manifests(typed: &[OsString]) -> Vec<SourceSpec> {
    let files = typed.iter().filter(|word| column_of(word).is_none());
    files.map(|word| source(word, |name| manifest::by_name(name).is_some())).collect()
}

/// Columns of digests, `column:NAME=ALGORITHM`.
pub fn digest_columns(typed: &[OsString]) -> anyhow::Result<Vec<(String, Algorithm)>> {
    let columns = typed.iter().filter_map(|word| column_of(word));
    columns
        .map(|text| {
            let Some((name, algorithm)) = text.rsplit_once('=').filter(|(name, _)| !name.is_empty()) else {
                bail!("--manifest column:{text} is not column:NAME=ALGORITHM, such as column:sha256=sha256");
            };
            let algorithm = self::algorithm(algorithm)
                .map_err(|why| anyhow::anyhow!("--manifest column:{text}: {why}"))?;
            Ok((name.to_string(), algorithm))
        })
        .collect()
}

/// What stands after `column:`.
fn column_of(word: &OsStr) -> Option<&str> {
    word.to_str()?.strip_prefix("column:")
}

/// Hash lists as `FORMAT:FILE`, `ALGORITHM:FILE` or `FILE`.
pub fn hash_lists(typed: &[OsString]) -> Vec<SourceSpec> {
    let known = |name: &str| hashlist::by_name(name).is_some() || Algorithm::from_name(name).is_some();
    typed.iter().map(|word| source(word, known)).collect()
}

/// What stands before the first colon is a format where one is called so; else it is a part of the path.
fn source(word: &OsStr, known: impl Fn(&str) -> bool) -> SourceSpec {
    match before_colon(word) {
        Some((format, path)) if known(format) => {
            SourceSpec { format: Some(format.to_string()), path: PathBuf::from(path) }
        }
        _ => SourceSpec { format: None, path: PathBuf::from(word) },
    }
}

/// A word at its first colon.
pub fn before_colon(word: &OsStr) -> Option<(&str, &OsStr)> {
    let bytes = word.as_bytes();
    let colon = bytes.iter().position(|&b| b == b':')?;
    Some((std::str::from_utf8(&bytes[..colon]).ok()?, OsStr::from_bytes(&bytes[colon + 1..])))
}

/// `--scope`.
pub fn scope(typed: &str) -> anyhow::Result<ScopeOption> {
    Ok(match typed {
        "all" => ScopeOption::All,
        "none" => ScopeOption::None,
        // A folder that matches brings what is in it.
        glob => ScopeOption::Glob(globs(
            "scope",
            &[glob.to_string(), format!("{}/**", glob.trim_end_matches('/'))],
        )?),
    })
}

/// The globs of an option, as people who know `.gitignore` mean them.
pub fn globs(option: &str, typed: &[String]) -> anyhow::Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in typed {
        let pattern = anchored(glob);
        if pattern.is_empty() {
            bail!("--{option} {glob:?} matches nothing; give a glob such as '*.tar' or 'images/**'");
        }
        let built = GlobBuilder::new(&pattern).literal_separator(true).build();
        set.add(built.with_context(|| format!("--{option} {glob:?} is no glob"))?);
    }
    set.build().with_context(|| format!("the globs of --{option} are too many or too large"))
}

/// A glob without `/` matches at any depth; with one it begins at the root of the dataset.
fn anchored(glob: &str) -> String {
    let inner = glob.strip_prefix("./").unwrap_or(glob).trim_end_matches('/');
    match inner.strip_prefix('/') {
        Some(below_root) => below_root.to_string(),
        None if inner.is_empty() || inner.contains('/') || glob.starts_with("./") => inner.to_string(),
        None => format!("**/{inner}"),
    }
}

/// `--list-columns`.
pub fn columns(typed: &str) -> anyhow::Result<Columns> {
    let mut columns = Columns::default();
    for part in typed.split(',') {
        let (role, column) = part.split_once('=').unwrap_or((part, ""));
        let place = match role.trim() {
            "digest" => &mut columns.digest,
            "algorithm" => &mut columns.algorithm,
            "category" => &mut columns.category,
            "id" => &mut columns.id,
            _ => bail!("--list-columns: {role:?} is none of digest, algorithm, category, id"),
        };
        if column.trim().is_empty() {
            bail!("--list-columns: {role} needs a column: a name of the first line, or a number from 1");
        }
        if place.replace(column.trim().to_string()).is_some() {
            bail!("--list-columns: {role} is given twice");
        }
    }
    Ok(columns)
}

/// An algorithm by its name.
pub fn algorithm(typed: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(typed.trim()).ok_or_else(|| {
        let known: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        format!("no algorithm is called that; known are {}", known.join(", "))
    })
}

/// `--memory`.
pub fn memory(typed: &str) -> Result<usize, String> {
    let bytes = size(typed)?;
    if bytes < LEAST_MEMORY {
        return Err("at least 16MiB are needed".to_string());
    }
    usize::try_from(bytes).map_err(|_| "more than this machine can address".to_string())
}

/// An amount of bytes: a number and a unit; K, M, G and T are binary, as are KiB and so on, KB and so on are decimal.
pub fn size(typed: &str) -> Result<u64, String> {
    let advice = "write a number and a unit, such as 64MiB or 2G";
    let end = typed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(typed.len());
    let (number, unit) = typed.split_at(end);
    let number: f64 = number.parse().map_err(|_| advice.to_string())?;
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err(advice.to_string()),
    };
    let bytes = number * scale as f64;
    // A cast would make the greatest number of it.
    if bytes >= u64::MAX as f64 {
        return Err("that is more than can be counted".to_string());
    }
    Ok(bytes as u64)
}

/// A time: numbers with units from days to milliseconds, such as 90m or 1h30m.
pub fn duration(typed: &str) -> Result<Duration, String> {
    let advice = || "write a number and a unit (ms, s, m, h or d), such as 30s, 90m or 1h30m".to_string();
    let mut rest = typed.trim();
    let mut all = Duration::ZERO;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(advice)?;
        let (number, with_unit) = rest.split_at(unit);
        let end = with_unit.find(|c: char| c.is_ascii_digit()).unwrap_or(with_unit.len());
        let number: u64 = number.parse().map_err(|_| advice())?;
        let milliseconds = match with_unit[..end].trim() {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(advice()),
        };
        let part = number.checked_mul(milliseconds).ok_or_else(advice)?;
        all = all.checked_add(Duration::from_millis(part)).ok_or_else(advice)?;
        rest = &with_unit[end..];
    }
    // Longer than anybody waits, and more than a clock may be able to add.
    let longest = Duration::from_secs(100 * 366 * 86_400);
    if typed.trim().is_empty() || all > longest { Err(advice()) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_one_only_where_it_is_known() {
        let list = |word: &str| {
            let spec = hash_lists(&[OsString::from(word)]).remove(0);
            (spec.format, spec.path.to_str().unwrap().to_string())
        };
        assert_eq!(list("csv:a.csv"), (Some("csv".into()), "a.csv".into()));
        assert_eq!(list("md5:a:b"), (Some("md5".into()), "a:b".into()));
        assert_eq!(list("a:b"), (None, "a:b".into()));
        assert_eq!(list("./csv:b"), (None, "./csv:b".into()));
        let named = manifests(&["hf-tree:t.json".into(), "md5:x".into()]);
        assert_eq!(named[0].format.as_deref(), Some("hf-tree"));
        assert_eq!(named[1].format, None);
    }

    #[test]
    fn durations_are_numbers_with_units() {
        let seconds = |typed: &str| duration(typed).map(|d| d.as_secs_f64());
        assert_eq!(seconds("30s"), Ok(30.0));
        assert_eq!(seconds("1h30m"), Ok(5400.0));
        assert_eq!(seconds("1d 2h"), Ok(93_600.0));
        assert_eq!(seconds("250ms"), Ok(0.25));
        for wrong in ["", "5", "s", "5 weeks", "-5s", "1.5h", "99999999999999999999s", "99999999999d", "5é"]
        {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn globs_match_as_in_gitignore() {
        let matches = |glob: &str, path: &str| globs("include", &[glob.to_string()]).unwrap().is_match(path);
        assert!(matches("*.tar", "a.tar") && matches("*.tar", "x/y/a.tar"));
        assert!(matches("/a.tar", "a.tar") && !matches("/a.tar", "x/a.tar"));
        assert!(matches("./a.tar", "a.tar") && !matches("./a.tar", "x/a.tar"));
        assert!(matches("images/", "images") && matches("images/", "x/images"));
        assert!(matches("x/*", "x/a") && !matches("x/*", "x/a/b") && matches("x/**", "x/a/b"));
        assert!(globs("include", &["/".to_string()]).is_err());
        assert!(globs("include", &["[".to_string()]).is_err());
    }

    #[test]
    fn a_scope_that_is_a_folder_brings_what_is_in_it() {
        let ScopeOption::Glob(set) = scope("data/").unwrap() else { panic!("it is a glob") };
        assert!(set.is_match("data/a/b") && !set.is_match("other/a"));
        assert!(matches!(scope("none"), Ok(ScopeOption::None)));
        assert!(matches!(scope("all"), Ok(ScopeOption::All)));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(memory("64MiB"), Ok(64 << 20));
        assert_eq!(memory("2G"), Ok(2 << 30));
        assert_eq!(memory("0.5g"), Ok(512 << 20));
        assert_eq!(memory("100MB"), Ok(100_000_000));
        for refused in ["", "x", "1MiB", "64 parsecs", "G", "1.2.3G", "16"] {
            assert!(memory(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn columns_are_named_by_their_role() {
        let all = columns("digest=hash, algorithm=2,category=kind,id=nr").unwrap();
        assert_eq!(all.digest.as_deref(), Some("hash"));
        assert_eq!(all.algorithm.as_deref(), Some("2"));
        for refused in ["hash", "digest=", "digest=a,digest=b", "name=x"] {
            assert!(columns(refused).is_err(), "{refused}");
        }
    }
}
