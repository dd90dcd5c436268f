//! Trusted roots by name for a policy: the same names as the verifier service has.

use super::input::trust_file;
use crate::cli::VerifyArgs;
use crate::trust_files::TRUSTED_ROOT_FILE;
use anyhow::{Context, Result, bail};
use clock::Clock;
use policy::Document;
use std::path::Path;
use std::sync::Arc;
use trust::{Builder, DEFAULT, Root, Roots, SIGSTORE};

/// The roots that a policy may be judged by, in the order of their names.
///
/// `default` is `--trusted-root`, or the data folder's; `sigstore` the public instance's, embedded. Either is read only
/// when the policy means it, and may be given by `--root` as well. Opens no socket.
pub(crate) fn load(args: &VerifyArgs, document: &Document) -> Result<Vec<(String, Arc<Root>)>> {
    let wanted = document.roots();
    let means = |name: &str| wanted.iter().any(|one| one == name);
    let mut builder = Roots::builder();
    for named in &args.policy.roots {
        let (name, path) = named
            .split_once('=')
            .with_context(|| format!("--root {named}: write NAME=FILE"))?;
        builder = builder.file(name, path);
    }
    if builder.has(DEFAULT) && args.trusted_root.is_some() {
        bail!("--root {DEFAULT}=… and --trusted-root name the same trusted root: leave one out");
    }
    if (wanted.is_empty() || means(DEFAULT)) && !builder.has(DEFAULT) {
        builder = default(builder, args)?;
    }
    if means(SIGSTORE) && !builder.has(SIGSTORE) {
        builder = builder.embedded();
    }
    // Files alone: the future never waits, and needs no runtime.
    let metrics = prometheus::Registry::new();
    let roots = futures::executor::block_on(builder.build(Clock::system(), &metrics))?;
    let named = roots.names();
    Ok(named
        .filter_map(|name| Some((name.to_owned(), roots.get(name)?)))
        .collect())
}

fn default(builder: Builder, args: &VerifyArgs) -> Result<Builder> {
    let named = args.trusted_root.as_ref();
    if named.is_some_and(|path| path == Path::new(SIGSTORE) && !path.exists()) {
        return Ok(builder.embedded_as(DEFAULT));
    }
    let data_dir = &args.data.data_dir;
    let path = trust_file(named, data_dir, TRUSTED_ROOT_FILE, "--trusted-root")?;
    Ok(builder.file(DEFAULT, path))
}
