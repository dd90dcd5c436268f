//! `sigstead copy`: an image with everything that belongs to it.

use super::image::{access, run};
use crate::cli::CopyArgs;
use crate::exit::{Failure, Outcome};
use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use oci::{Access, Copied, Event, OciError, Progress, Source};
use std::sync::Arc;

pub(crate) fn run_copy(args: CopyArgs) -> Result<Outcome, Failure> {
    let parse = |text: &str| Source::parse(text).map_err(|error| Failure::Usage(error.into()));
    let (from, to) = (parse(&args.from)?, parse(&args.to)?);
    let explicit = access(&args.registry).map_err(Failure::Usage)?;
    // A password is for one registry; it is never shown to the other.
    let stored = Access {
        credentials: oci::Credentials::Stored,
        ..explicit.clone()
    };
    let (from_access, to_access) = if to.is_local() {
        (explicit, stored)
    } else {
        (stored, explicit)
    };
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            .context("progress bar")?,
    );
    let progress = progress(&bar);
    let copy = oci::copy((&from, &from_access), (&to, &to_access), &progress);
    let copied = run(!(from.is_local() && to.is_local()), copy)?;
    bar.finish_and_clear();
    let copied = copied.map_err(failure)?;
    print(&copied, args.json)?;
    Ok(Outcome::Success)
}

fn progress(bar: &ProgressBar) -> Progress {
    let bar = bar.clone();
    Arc::new(move |event| match event {
        Event::Planned { bytes, .. } => bar.set_length(bytes),
        Event::Moved(bytes) | Event::Present(bytes) => bar.inc(bytes),
    })
}

/// What is wrong with the arguments is told apart from what went wrong.
fn failure(error: OciError) -> Failure {
    match error {
        OciError::Reference { .. }
        | OciError::NoImage(_)
        | OciError::Ambiguous { .. }
        | OciError::DigestForm(_)
        | OciError::Layout { .. }
        | OciError::ReadOnly(_) => Failure::Usage(error.into()),
        _ => Failure::Failed(anyhow::Error::new(error).context("not copied")),
    }
}

#[allow(clippy::print_stdout, clippy::print_stderr)]
fn print(copied: &Copied, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(copied)?);
        return Ok(());
    }
    println!(
        "copied {}: {} manifests ({} referrers, {} legacy sets), {} blobs, {} more were there",
        copied.digest,
        copied.manifests,
        copied.referrers,
        copied.legacy_tags,
        copied.blobs_moved,
        copied.blobs_present
    );
    for digest in &copied.left_out {
        eprintln!("left where its URL says, since it may not be distributed: {digest}");
    }
    Ok(())
}
