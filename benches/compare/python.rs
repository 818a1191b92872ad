//! Peers written in Python, and the interpreter that has them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A module, how to find its version, and what it is called in tables.
pub struct Module {
    pub called: &'static str,
    /// Prints the version; fails where the module is absent.
    version: &'static str,
}

/// Of Python 3.11 or later, which has `file_digest`.
pub const HASHLIB: Module = Module {
    called: "Python hashlib",
    version: "import hashlib, platform, ssl; hashlib.file_digest; \
              print(platform.python_version() + ', ' + ' '.join(ssl.OPENSSL_VERSION.split()[:2]))",
};

/// The Library of Congress's.
pub const BAGIT: Module =
    Module { called: "bagit", version: "import bagit, importlib.metadata as m; print(m.version('bagit'))" };

/// Its `sha256` and `md5` of texts.
pub const DUCKDB: Module = Module { called: "DuckDB", version: "import duckdb; print(duckdb.__version__)" };

/// An interpreter that has the module.
pub struct Found {
    pub python: PathBuf,
    pub version: String,
}

impl Module {
    /// In the Python that `SHARDPROOF_PYTHON` names, else in `target/oracle`, else in the system's.
    pub fn find(&self) -> Option<Found> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracle/bin/python");
        let named = std::env::var_os("SHARDPROOF_PYTHON").map(PathBuf::from);
        [named, Some(own), Some(PathBuf::from("python3"))].into_iter().flatten().find_map(|python| {
            let told = Command::new(&python).args(["-c", self.version]).output().ok()?;
            let version = String::from_utf8(told.stdout).ok()?.trim().to_owned();
            told.status.success().then_some(Found { python, version })
        })
    }
}

/// A script of this benchmark.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare").join(name)
}
