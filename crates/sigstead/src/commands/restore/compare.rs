//! What clients were given, as far as it is known here, against what an archive has.

use crate::cli::backup::RestoreArgs;
use crate::commands::fsck::accept::costs;
use crate::commands::fsck::heads::Heads;
use crate::commands::input::{MAX_JSON, read_limited};
use crate::instance::{Description, Layout, PublicHalf, describe};
use anyhow::{Context, Result, bail};
use backup::{ANY_LOG, Survey};
use note::{Checkpoint, SignedNote};
use serde_json::Value;
use std::path::Path;
use tlog::TreeHead;
use tlog::copy::newest;

/// A head that was signed, and where that is known from.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) source: String,
    /// Empty until the instance tells whose checkpoint it is.
    pub(super) log: String,
    pub(super) size: u64,
    root: [u8; 32],
    /// A checkpoint whose signature is to be verified.
    note: Option<String>,
    /// `created` of the instance whose folder it is from.
    instance: Option<String>,
}

/// What an archive lacks.
#[derive(Clone, Debug)]
pub(super) enum Missing {
    Log {
        log: String,
        given: Given,
    },
    Shorter {
        log: String,
        have: u64,
        given: Given,
    },
    Other {
        log: String,
        given: Given,
    },
}

impl Missing {
    pub(super) fn log(&self) -> &str {
        match self {
            Self::Log { log, .. } | Self::Shorter { log, .. } | Self::Other { log, .. } => log,
        }
    }
}

impl Given {
    pub(super) fn head(source: &str, log: &str, head: &TreeHead) -> Self {
        Self {
            source: source.to_owned(),
            log: log.to_owned(),
            size: head.size,
            root: head.root,
            note: None,
            instance: None,
        }
    }

    /// The root that the archive is asked for.
    pub(super) fn wanted(&self) -> (String, u64) {
        match self.log.is_empty() {
            true => (ANY_LOG.to_owned(), self.size),
            false => (self.log.clone(), self.size),
        }
    }
}

/// The heads of the guard that is named, or of the data folder's.
pub(super) fn guards(args: &RestoreArgs) -> Result<Vec<Given>> {
    let layout = Layout::read_only(&args.data.data_dir);
    let (folder, instance) = match &args.guard {
        Some(folder) if !folder.is_dir() => {
            bail!("--guard: there is no folder {}", folder.display())
        }
        Some(folder) => (folder.clone(), None),
        None => (layout.guard(), created(&layout)),
    };
    let source = format!("the guard {}", folder.display());
    let heads = tlog::guard::recorded(&folder)?;
    let given = heads.iter().map(|(log, head)| Given {
        instance: instance.clone(),
        ..Given::head(&source, log, head)
    });
    Ok(given.collect())
}

/// Everything for `--check`: guards, files, and the database of the data folder. Notes say what could not be compared.
pub(super) async fn living(args: &RestoreArgs) -> Result<(Vec<Given>, Vec<String>)> {
    let mut given = guards(args)?;
    given.extend(files(args)?);
    let mut notes = Vec::new();
    let layout = Layout::read_only(&args.data.data_dir);
    if let Ok(description) = describe(&layout) {
        match database(args, &layout, &description).await {
            Ok(heads) => given.extend(heads),
            Err(error) => notes.push(format!(
                "the database of {} was not compared: {error:#}",
                layout.root().display()
            )),
        }
    }
    Ok((given, notes))
}

async fn database(
    args: &RestoreArgs,
    layout: &Layout,
    description: &Description,
) -> Result<Vec<Given>> {
    let public = PublicHalf::load(layout, description)?;
    let store = args.database.or_file_in(layout).open_beside().await?;
    let mut names = vec!["ct".to_owned()];
    names.extend(public.shards()?.iter().map(crate::instance::Shard::name));
    let mut given = Vec::new();
    for name in names {
        if let Some((head, _)) = newest(&*store, &name).await? {
            given.push(Given {
                instance: Some(description.created.clone()),
                ..Given::head("the database", &name, &head)
            });
        }
    }
    store.close().await;
    Ok(given)
}

fn created(layout: &Layout) -> Option<String> {
    Some(describe(layout).ok()?.created)
}

/// The checkpoints of `--against`.
pub(super) fn files(args: &RestoreArgs) -> Result<Vec<Given>> {
    let mut given = Vec::new();
    for path in &args.against {
        given.extend(file(path).with_context(|| format!("--against {}", path.display()))?);
    }
    Ok(given)
}

fn file(path: &Path) -> Result<Vec<Given>> {
    let text = String::from_utf8(read_limited(path, MAX_JSON)?).context("it is not text")?;
    let notes = match text.trim_start().starts_with('{') {
        true => checkpoints_of_bundle(&text)?,
        false => vec![text],
    };
    let given = notes.into_iter().map(|text| {
        let note = SignedNote::parse(&text).context("it is no signed note")?;
        let checkpoint = Checkpoint::parse(note.text()).context("it is no checkpoint")?;
        Ok(Given {
            source: path.display().to_string(),
            log: String::new(),
            size: checkpoint.size,
            root: checkpoint.root,
            note: Some(text),
            instance: None,
        })
    });
    given.collect()
}

fn checkpoints_of_bundle(text: &str) -> Result<Vec<String>> {
    let json: Value = serde_json::from_str(text).context("it is no JSON")?;
    let entries = json["verificationMaterial"]["tlogEntries"].as_array();
    let entries = entries.context("it is no Sigstore bundle")?;
    let envelope = |entry: &Value| {
        let envelope = entry["inclusionProof"]["checkpoint"]["envelope"].as_str()?;
        Some(envelope.to_owned())
    };
    let notes: Vec<String> = entries.iter().filter_map(envelope).collect();
    if notes.is_empty() {
        bail!("the bundle has no checkpoint");
    }
    Ok(notes)
}

/// Finds the log of each checkpoint, and leaves out what belongs to another instance.
pub(super) fn of_this_instance(
    given: &[Given],
    description: &Description,
    public: &PublicHalf,
    heads: &[(String, Heads)],
) -> Result<Vec<Given>> {
    let mut ours = Vec::new();
    for mut one in given.iter().cloned() {
        if one
            .instance
            .as_ref()
            .is_some_and(|created| *created != description.created)
        {
            continue;
        }
        if let Some(note) = &one.note {
            let log = heads.iter().find(|(_, heads)| heads.open(note).is_ok());
            let Some((log, _)) = log else {
                bail!(
                    "--against {}: no log of {} signed this checkpoint",
                    one.source,
                    public.host
                );
            };
            one.log = log.clone();
        }
        ours.push(one);
    }
    Ok(ours)
}

/// What was given and is not in the archive.
pub(super) fn missing(
    survey: &Survey,
    public: &PublicHalf,
    given: &[Given],
) -> Result<Vec<Missing>> {
    // An instance without one of its logs cannot be started.
    let shards = public.shards()?;
    let complete = shards.iter().filter(|shard| !shard.is_pending);
    for log in std::iter::once("ct".to_owned()).chain(complete.map(crate::instance::Shard::name)) {
        if !survey.heads.contains_key(&log) {
            bail!("the archive names the log {log} and does not have it; it cannot be restored");
        }
    }
    let mut missing = Vec::new();
    for one in given {
        let (log, given) = (one.log.clone(), one.clone());
        match survey.heads.get(&log) {
            None if one.size == 0 => {}
            None => missing.push(Missing::Log { log, given }),
            Some((head, _)) if head.size < one.size => missing.push(Missing::Shorter {
                log,
                have: head.size,
                given,
            }),
            Some(_) if survey.root_at(&log, one.size) == Some(one.root) => {}
            Some(_) => missing.push(Missing::Other { log, given }),
        }
    }
    Ok(missing)
}

/// Refuses unless each shorter log is accepted by its name.
pub(super) fn refuse(missing: &[Missing], accepted: &[String]) -> Result<()> {
    let refused = |one: &&Missing| match one {
        Missing::Shorter { log, .. } | Missing::Log { log, .. } => !accepted.contains(log),
        Missing::Other { .. } => true,
    };
    let Some(worst) = missing.iter().filter(refused).max_by_key(|one| match one {
        Missing::Other { .. } => u64::MAX,
        Missing::Log { given, .. } | Missing::Shorter { given, .. } => given.size,
    }) else {
        return Ok(());
    };
    let (log, consequence) = match worst {
        Missing::Log { log, given } => (log, costs(log, 0, given.size, false)),
        Missing::Shorter { log, have, given } => (log, costs(log, *have, given.size, false)),
        Missing::Other { log, given } => {
            let consequence = costs(log, given.size, given.size, true);
            bail!("{}. Nothing was restored.\n{consequence}", worst.text());
        }
    };
    bail!(
        "{}. Nothing was restored.\n{consequence}\nTo restore it all the same: --accept-shorter {log}",
        worst.text()
    )
}
