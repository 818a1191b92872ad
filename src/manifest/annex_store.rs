//! The store of a git-annex repository: links of a dataset lead into it, also where the dataset is only a folder of the
//! repository's working tree.

use std::fs;
use std::path::{Path, PathBuf};

/// The store of the repository that `root` lies in, if that is a git-annex repository.
///
/// The repository is the nearest folder, from `root` upwards, that has a `.git`. A dataset within another one has a link
/// there, into the `modules` of the repository around it; a link that leads anywhere else is not heeded.
pub fn of_repository(root: &Path) -> Option<PathBuf> {
    let whole = fs::canonicalize(root).ok()?;
    let repository = whole.ancestors().find(|folder| fs::symlink_metadata(folder.join(".git")).is_ok())?;
    let git = fs::canonicalize(repository.join(".git")).ok()?;
    let is_own = git == repository.join(".git");
    let is_module =
        || repository.ancestors().skip(1).any(|outer| git.starts_with(outer.join(".git").join("modules")));
    ((is_own || is_module()) && is_annex(&git)).then(|| git.join("annex").join("objects"))
}

/// Whether a folder of git is one that `git annex init` was run in.
fn is_annex(git: &Path) -> bool {
    /// A longer configuration is none that git wrote.
    const LONGEST_CONFIG: u64 = 1 << 20;
    let is_folder = |path: PathBuf| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let config = git.join("config");
    let is_short = fs::symlink_metadata(&config).is_ok_and(|it| it.is_file() && it.len() <= LONGEST_CONFIG);
    let has_section = |text: Vec<u8>| {
        text.split(|&b| b == b'\n').any(|line| line.trim_ascii().eq_ignore_ascii_case(b"[annex]"))
    };
    is_short
        && fs::symlink_metadata(git.join("HEAD")).is_ok_and(|head| head.is_file())
        && is_folder(git.join("annex"))
        && is_folder(git.join("annex").join("objects"))
        && fs::read(config).is_ok_and(has_section)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn init(git: &Path) {
        fs::create_dir_all(git.join("annex/objects")).unwrap();
        fs::write(git.join("HEAD"), "ref: refs/heads/master\n").unwrap();
        fs::write(git.join("config"), "[core]\n\tbare = false\n[annex]\n\tuuid = 1\n").unwrap();
    }

    #[test]
    fn the_store_of_the_repository_around_a_folder_is_found() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| fs::canonicalize(home.path()).unwrap().join(path);
        fs::create_dir_all(at("r/sub/folder")).unwrap();
        assert_eq!(of_repository(&at("r/sub")), None);
        init(&at("r/.git"));
        for folder in ["r", "r/sub", "r/sub/folder"] {
            assert_eq!(of_repository(&at(folder)), Some(at("r/.git/annex/objects")), "{folder}");
        }
        // A dataset within it has a store of its own.
        init(&at("r/.git/modules/sub"));
        symlink("../.git/modules/sub", at("r/sub/.git")).unwrap();
        assert_eq!(of_repository(&at("r/sub/folder")), Some(at("r/.git/modules/sub/annex/objects")));
    }

    #[test]
    fn what_is_no_annex_is_no_store() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        init(&at("elsewhere/.git"));
        fs::create_dir_all(at("r/d")).unwrap();
        // A download may bring a link of any kind.
        symlink("../elsewhere/.git", at("r/.git")).unwrap();
        assert_eq!(of_repository(&at("r/d")), None);
        fs::remove_file(at("r/.git")).unwrap();
        init(&at("r/.git"));
        fs::write(at("r/.git/config"), "[core]\n\tbare = false\n").unwrap();
        assert_eq!(of_repository(&at("r/d")), None);
        init(&at("r/.git"));
        fs::remove_dir(at("r/.git/annex/objects")).unwrap();
        symlink("/", at("r/.git/annex/objects")).unwrap();
        assert_eq!(of_repository(&at("r/d")), None);
    }
}
