//! The files of a data folder, as an archive has them.

use crate::instance::Layout;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Keys, certificates, trust and TUF files; a large policy has some hundred KiB.
const MAX_FILE: u64 = 16 << 20;
/// Folders in folders: `keys/shard-2` is the deepest that there is.
const MAX_DEPTH: usize = 8;

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Files by their paths below the data folder.
pub(crate) type Files = BTreeMap<String, Saved>;

/// Reads all files that an instance is made of. Not among them: databases, locks, what is being written, and the guard,
/// which follows from the logs.
pub(crate) fn snapshot(layout: &Layout) -> Result<Files> {
    let mut files = Files::new();
    walk(layout.root(), "", 0, &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Files) -> Result<()> {
    if depth > MAX_DEPTH {
        bail!("{} is deeper than a data folder is", folder.display());
    }
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name();
        let path = entry.path();
        let Some(name) = name.to_str() else {
            bail!("{} has a name that is not UTF-8", path.display());
        };
        if is_left_out(name, depth) {
            continue;
        }
        let relative = format!("{prefix}{name}");
        // A key may be a link to where secrets are mounted.
        let meta = match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            meta => meta.with_context(|| format!("cannot read {}", path.display()))?,
        };
        if meta.is_dir() {
            walk(&path, &format!("{relative}/"), depth + 1, files)?;
        } else if meta.is_file() {
            let mode = meta.permissions().mode() & 0o777;
            if let Some(bytes) = read(&path)? {
                files.insert(relative, Saved { mode, bytes });
            }
        }
    }
    Ok(())
}

/// `None` for a file that was removed meanwhile; then the next look finds a difference.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    let read = read.with_context(|| format!("cannot read {}", path.display()))?;
    if u64::try_from(read)? > MAX_FILE {
        bail!(
            "{} has more than {} MiB and is nothing that an instance writes: move it out of the data folder",
            path.display(),
            MAX_FILE >> 20
        );
    }
    Ok(Some(bytes))
}

fn is_left_out(name: &str, depth: usize) -> bool {
    // Temporary files and locks.
    if name.starts_with('.') || name == "lock" || name.ends_with(".lock") {
        return true;
    }
    let is_database = [".db", ".db-wal", ".db-shm", ".db-journal"];
    let of_this_place = [
        "guard",
        crate::database::URL_FILE,
        crate::database::MOVE_FILE,
    ];
    depth == 0
        && (of_this_place.contains(&name) || is_database.iter().any(|end| name.ends_with(end)))
}

/// Writes a file below `root`, with the folders that it is in.
pub(crate) fn put_back(root: &Path, relative: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let path = root.join(relative);
    let folder = path.parent().unwrap_or(root);
    let failed = || format!("cannot write {}", path.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(failed)?;
    // Anew, so that the mode holds from the first byte.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(failed);
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(&path)
        .with_context(failed)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_locks_and_the_guard_stay_and_everything_else_goes() {
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in [
            ("instance.json", 0o644),
            ("keys/ct-log.pem", 0o600),
            ("tuf/targets/aa.trusted_root.json", 0o644),
            ("sigstead.db", 0o644),
            ("sigstead.db-wal", 0o644),
            ("lock", 0o600),
            ("guard/ct.guard", 0o600),
            ("tuf/.new-0123", 0o600),
        ] {
            put_back(folder.path(), name, mode, b"x").unwrap();
        }
        let files = snapshot(&Layout::read_only(folder.path())).unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "instance.json",
                "keys/ct-log.pem",
                "tuf/targets/aa.trusted_root.json"
            ]
        );
        assert_eq!(files["keys/ct-log.pem"].mode, 0o600);
    }
}
