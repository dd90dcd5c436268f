//! Where an archive is restored to: empty, interrupted, or an instance that lost its database.

use crate::database::Database;
use crate::instance::{Description, Layout, PublicHalf, describe, write_atomically};
use anyhow::{Context, Result, bail};
use backup::{About, Survey};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tlog::Store;
use tuf::FileName;

use crate::commands::backup::put_back;

/// In the data folder while a restore is under way.
const RESTORING: &str = ".restoring";
/// In it: the ID of the archive.
const ARCHIVE: &str = "archive";
/// In it: the files before they are moved in.
const STAGED: &str = "data";
/// What a data folder may have and still be empty.
const NOTHING: [&str; 3] = ["lock", "instance.json.lock", "lost+found"];

/// What a data folder was before.
pub(super) enum Place {
    /// Nothing is there.
    Empty,
    /// A restore of the archive with this ID was begun; `instance` says that the folder had an instance before.
    Interrupted { id: String, instance: bool },
    /// An instance, whose database is to be restored.
    Instance,
}

impl Place {
    pub(super) fn look(root: &Path) -> Result<Self> {
        let layout = Layout::read_only(root);
        let has_instance = describe(&layout).is_ok();
        match fs::read_to_string(root.join(RESTORING).join(ARCHIVE)) {
            Ok(id) => {
                return Ok(Self::Interrupted {
                    id: id.trim().to_owned(),
                    instance: has_instance,
                });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", root.display()));
            }
        }
        if has_instance {
            return Ok(Self::Instance);
        }
        let entries = match fs::read_dir(root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Empty),
            entries => entries.with_context(|| format!("cannot read {}", root.display()))?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_string_lossy();
            if !NOTHING.contains(&&*name) && name != RESTORING {
                bail!(
                    "{} is not empty: it has {name}. Restore into an empty folder, or a new one",
                    root.display()
                );
            }
        }
        Ok(Self::Empty)
    }

    /// An interrupted restore goes on with its own archive only.
    pub(super) fn check(&self, about: &About) -> Result<()> {
        match self {
            Self::Interrupted { id, .. } if *id != about.id => bail!(
                "a restore of another archive was interrupted here. Go on with that one, or begin anew: remove the data \
                 folder (and empty the database, if it is on a server)"
            ),
            _ => Ok(()),
        }
    }

    pub(super) fn is_instance(&self) -> bool {
        matches!(
            self,
            Self::Instance | Self::Interrupted { instance: true, .. }
        )
    }

    pub(super) fn goes_on(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }

    /// Removes what a refused restore made.
    pub(super) fn leave(&self, layout: &Layout) {
        if !self.goes_on() {
            // Of no use to anyone; the refusal is what matters.
            let _ = fs::remove_dir_all(layout.root().join(RESTORING));
        }
    }
}

/// The folder that the files are staged in, empty.
pub(super) fn staging(layout: &Layout) -> Result<PathBuf> {
    let staged = layout.root().join(RESTORING).join(STAGED);
    match fs::remove_dir_all(&staged) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", staged.display()));
        }
        _ => {}
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&staged)
        .with_context(|| format!("cannot create {}", staged.display()))?;
    Ok(staged)
}

/// Says that a restore of this archive is under way.
pub(super) fn mark(layout: &Layout, about: &About) -> Result<()> {
    let path = layout.root().join(RESTORING).join(ARCHIVE);
    write_atomically(&path, format!("{}\n", about.id).as_bytes())
}

/// Refuses an instance that is not the archive's.
pub(super) fn check_same(
    layout: &Layout,
    description: &Description,
    public: &PublicHalf,
) -> Result<()> {
    let here = describe(layout)?;
    let there = PublicHalf::load(layout, &here)?;
    let same = here.created == description.created
        && here.host == description.host
        && there.ct_log == public.ct_log
        && there.rekor_v1 == public.rekor_v1
        && there.rekor_v2 == public.rekor_v2;
    if !same {
        bail!(
            "{} holds another instance ({}) than the archive ({}); restore into an empty folder",
            layout.root().display(),
            here.host,
            description.host
        );
    }
    Ok(())
}

/// Refuses a database that has one of the logs.
pub(super) async fn check_empty(
    store: &dyn Store,
    survey: &Survey,
    database: &Database,
) -> Result<()> {
    for log in survey.heads.keys() {
        if let Some(head) = store.head(log).await? {
            let what = match database {
                Database::File(path) => path.display().to_string(),
                Database::Server(_) => "the database".to_owned(),
            };
            bail!(
                "{what} is not empty: it has the log {log}, with {} entries. Restore into an empty one; to see whether the \
                 archive has all of it: sigstead restore --check",
                head.size
            );
        }
    }
    Ok(())
}

/// Puts the files in place; `instance.json` last, because with it the folder can be served.
pub(super) fn move_in(layout: &Layout, survey: &Survey) -> Result<()> {
    let description = layout.description();
    let last = description.file_name().and_then(|name| name.to_str());
    for file in &survey.files {
        if Some(file.name.as_str()) != last {
            put_back(layout.root(), &file.name, file.mode, &file.bytes)?;
        }
    }
    let description = last.and_then(|name| survey.file(name));
    let description = description.context("the archive has no instance.json")?;
    write_atomically(&layout.description(), &description.bytes)
}

/// Ends the restore.
pub(super) fn done(layout: &Layout) -> Result<()> {
    let folder = layout.root().join(RESTORING);
    // The name first: without it nothing says that a restore is under way.
    let removed = fs::remove_file(folder.join(ARCHIVE)).and_then(|()| fs::remove_dir_all(&folder));
    removed.with_context(|| format!("cannot remove {}", folder.display()))
}

/// The TUF repository of an archive, in the order in which it is put.
pub(super) fn tuf_files(survey: &Survey) -> Vec<(FileName, Vec<u8>)> {
    let named = survey.files.iter().filter_map(|file| {
        let name = FileName::parse(file.name.strip_prefix("tuf/")?)?;
        Some((name, file.bytes.to_vec()))
    });
    let mut files: Vec<_> = named.collect();
    files.sort_by_key(|(name, _)| match name {
        FileName::Root(version) => (0, *version),
        FileName::Content { .. } => (1, 0),
        FileName::Targets(version) => (2, *version),
        FileName::Snapshot(version) => (3, *version),
        FileName::Timestamp => (4, 0),
        FileName::NewestRoot => (5, 0),
    });
    files
}
