//! `sigstead tuf …`: the repository beside the process that serves it. The store's lock keeps the two apart.

mod ceremony;
mod report;

use super::trust::oidc_url;
use crate::cli::tuf::{RepositoryArgs, TufCommand, TufPublishArgs, TufRotateArgs, TufStatusArgs};
use crate::exit::{Failure, Outcome};
use crate::instance::{Layout, PublicHalf, describe};
use crate::tuf_repository;
use anyhow::{Context, Result};
use clock::Clock;
use keys::{KeyFolder, Purpose};
use report::print;
use tuf::{KeyFiles, Options, Repository};

pub(crate) fn run(command: TufCommand) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    runtime.block_on(async {
        match command {
            TufCommand::Status(args) => status(&args).await,
            TufCommand::Publish(args) => publish(&args).await,
            TufCommand::RotateRoot(args) => rotate(&args).await,
            TufCommand::Ceremony(command) => ceremony::run(command).await,
        }
    })
}

async fn status(args: &TufStatusArgs) -> Result<Outcome, Failure> {
    let (_, repository) = open(&args.repository)?;
    let status = repository.status().await.map_err(anyhow::Error::from)?;
    report::status(&status, args.json)?;
    Ok(match status.warnings.is_empty() {
        true => Outcome::Success,
        false => Outcome::NotVerified,
    })
}

async fn publish(args: &TufPublishArgs) -> Result<Outcome, Failure> {
    let layout = layout(&args.repository)?;
    let mut keys = KeyFiles::new(layout.keys());
    if let Some(path) = &args.targets_key {
        let file = KeyFolder::of_file(path).map_err(anyhow::Error::from)?;
        let signer = file.load(Purpose::TufTargets);
        keys.add(signer.context("--targets-key").map_err(Failure::Usage)?);
    }
    let database = args.repository.database.or_file_in(&layout);
    let clock = Clock::system();
    let repository = tuf_repository::open_with_keys(&layout, &database, &clock, keys)?;
    let public = PublicHalf::load(&layout, &describe(&layout)?)?;
    let options = Options {
        clock_is_right: args.clock_is_right,
        sign_all: true,
    };
    let oidc = oidc_url(&layout);
    let done = tuf_repository::publish(&repository, &public, oidc.as_deref(), options).await?;
    report::done(&done);
    Ok(Outcome::Success)
}

async fn rotate(args: &TufRotateArgs) -> Result<Outcome, Failure> {
    let (layout, repository) = open(&args.repository)?;
    let done = repository.rotate((&args.exchange).into()).await;
    report::done(&done.map_err(anyhow::Error::from)?);
    print(&format!(
        "clients that know an earlier root follow by themselves; give new ones {}",
        layout.tuf_root().display()
    ));
    Ok(Outcome::Success)
}

fn layout(args: &RepositoryArgs) -> Result<Layout> {
    let layout = Layout::read_only(&args.data.data_dir);
    describe(&layout)?;
    Ok(layout)
}

fn open(args: &RepositoryArgs) -> Result<(Layout, Repository)> {
    let layout = layout(args)?;
    let database = args.database.or_file_in(&layout);
    let repository = tuf_repository::open(&layout, &database, &Clock::system())?;
    Ok((layout, repository))
}
