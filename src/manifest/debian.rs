//! `md5sums` of Debian packages (deb-md5sums(5)): `MD5  NAME` for the files of a package, named from the root of the file
//! system. In a package that was taken apart (`dpkg-deb -R`) they lie in `DEBIAN/md5sums` beside the files, on a system
//! in `/var/lib/dpkg/info/PACKAGE.md5sums`.
//!
//! The lines are those of sums files. Files of configuration are usually left out (dh_md5sums(1)): they are listed in
//! `DEBIAN/conffiles`, without a digest.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::lines::{Line, Lines};
use super::sums::Sums;
use super::{Context, ManifestError, ManifestFormat, open_regular, subject};
use crate::claim::{Claim, ClaimSink, Scope, Unusable};
use crate::digest::{Algorithm, DigestSet};

/// The format of Debian's md5sums.
#[derive(Clone, Copy, Debug)]
pub struct DebianMd5sums;

impl ManifestFormat for DebianMd5sums {
    fn name(&self) -> &'static str {
        "debian-md5sums"
    }

    /// Known by its folder only: everywhere else such a file is a sums file.
    fn recognises(&self, _file_name: &[u8], _head: &[u8]) -> bool {
        false
    }

    fn recognises_at(&self, path: &Path, head: &[u8]) -> bool {
        (in_package(path) || on_system(path)) && begins_with_md5(head)
    }

    fn base(&self, file: &Path) -> Option<PathBuf> {
        let up = match () {
            () if in_package(file) => 2,
            () if on_system(file) => SYSTEM.split('/').count() + 1,
            () => return None,
        };
        file.ancestors().nth(up).map(Path::to_path_buf)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        context: &Context<'_>,
        sink: &mut dyn ClaimSink,
    ) -> Result<Scope, ManifestError> {
        let md5 = Context { declared: DigestSet::of(Algorithm::Md5), ..*context };
        Sums.read(input, &md5, sink)?;
        if in_package(context.path)
            && let Ok(file) = open_regular(&context.path.with_file_name("conffiles"))
        {
            left_out(&mut BufReader::new(file), context, sink)?;
        }
        // A system has the files of other packages as well.
        let is_of_system = context.file_name.ends_with(b".md5sums");
        Ok(if is_of_system { Scope::Named } else { Scope::Folder(Vec::new()) })
    }
}

/// Where dpkg keeps them below the root of a system.
const SYSTEM: &str = "var/lib/dpkg/info";

fn in_package(path: &Path) -> bool {
    path.ends_with("DEBIAN/md5sums")
}

fn on_system(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "md5sums") && path.parent().is_some_and(|p| p.ends_with(SYSTEM))
}

fn begins_with_md5(head: &[u8]) -> bool {
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    line.len() > 34 && line[..32].iter().all(u8::is_ascii_hexdigit) && &line[32..34] == b"  "
}

/// Claims that files of configuration are there: what they hold is not published. deb-conffiles(5): an absolute name on
/// each line, before it perhaps a flag.
fn left_out(
    input: &mut dyn BufRead,
    context: &Context<'_>,
    sink: &mut dyn ClaimSink,
) -> Result<(), ManifestError> {
    let mut lines = Lines::new(input);
    while let Some((number, line)) = lines.next()? {
        let Line::Text(text) = line else { continue };
        let Some(name) = text.trim_ascii().strip_prefix(b"/") else { continue };
        let why = "it is a file of configuration, of which Debian's md5sums give no digest".to_owned();
        let claim = Claim::new(context.source, number, subject(name));
        sink.claim(Claim { unusable: Some(Unusable::NotComputable(why)), ..claim })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::super::testing::Kept;
    use super::*;
    use crate::claim::SourceId;

    const LINE: &str = "b1946ac92492d2347c6235b4d2611184  usr/share/doc/a b\n";

    fn read(path: &Path) -> (Result<Scope, ManifestError>, Kept) {
        let content = std::fs::read(path).unwrap();
        let file_name = path.file_name().unwrap().as_bytes();
        let context = Context { source: SourceId(7), file_name, path, declared: DigestSet::EMPTY };
        let mut kept = Kept::default();
        let scope = DebianMd5sums.read(&mut content.as_slice(), &context, &mut kept);
        (scope, kept)
    }

    #[test]
    fn the_folder_tells_what_it_is_and_where_names_begin() {
        let at = |path: &str| {
            let known = DebianMd5sums.recognises_at(Path::new(path), LINE.as_bytes());
            (known, DebianMd5sums.base(Path::new(path)))
        };
        assert_eq!(at("/d/DEBIAN/md5sums"), (true, Some("/d".into())));
        assert_eq!(at("/r/var/lib/dpkg/info/a.md5sums"), (true, Some("/r".into())));
        assert_eq!(at("/d/md5sums"), (false, None));
        assert_eq!(at("/d/a.md5sums"), (false, None));
        assert!(!DebianMd5sums.recognises_at(Path::new("DEBIAN/md5sums"), b"what\n"));
        assert!(!DebianMd5sums.recognises(b"md5sums", LINE.as_bytes()));
    }

    #[test]
    fn files_of_configuration_are_named_without_a_digest() {
        let package = tempfile::tempdir().unwrap();
        let debian = package.path().join("DEBIAN");
        std::fs::create_dir(&debian).unwrap();
        std::fs::write(debian.join("md5sums"), LINE).unwrap();
        let (scope, kept) = read(&debian.join("md5sums"));
        assert_eq!(
            (scope.unwrap(), kept.paths()),
            (Scope::Folder(vec![]), vec!["usr/share/doc/a b".to_owned()])
        );
        assert!(kept.claims[0].digests.of(Algorithm::Md5).is_some());
        std::fs::write(debian.join("conffiles"), "/etc/a\n\n").unwrap();
        let (_, kept) = read(&debian.join("md5sums"));
        assert_eq!(kept.paths(), ["usr/share/doc/a b", "etc/a"]);
        assert!(kept.claims[1].unusable.is_some());
        std::fs::write(package.path().join("a.md5sums"), LINE).unwrap();
        assert_eq!(read(&package.path().join("a.md5sums")).0.unwrap(), Scope::Named);
    }
}
