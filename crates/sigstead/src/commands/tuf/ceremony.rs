//! `sigstead tuf ceremony …`: a root with several holders. `key`, `show` and `sign` need no data folder and no network.

use super::report::{self, print};
use crate::cli::tuf::{
    CeremonyCommand, CeremonyFinishArgs, CeremonyInitArgs, CeremonyKeyArgs, CeremonySignArgs,
};
use crate::commands::input::read_limited;
use crate::exit::{Failure, Outcome};
use crate::instance::write_atomically;
use anyhow::{Context, Result, bail};
use keys::{Algorithm, KeyFolder, MAX_KEY_FILE_BYTES, Purpose};
use pki::key::PublicKey;
use std::path::Path;
use time::Duration;
use tuf::{Draft, Holders, MAX_DRAFT_BYTES};

pub(super) async fn run(command: CeremonyCommand) -> Result<Outcome, Failure> {
    match command {
        CeremonyCommand::Key(args) => make_key(&args)?,
        CeremonyCommand::Init(args) => init(&args).await?,
        CeremonyCommand::Show(args) => show(&read_draft(&args.draft).map_err(Failure::Usage)?),
        CeremonyCommand::Sign(args) => sign(&args).await?,
        CeremonyCommand::Finish(args) => finish(&args).await?,
    }
    Ok(Outcome::Success)
}

fn make_key(args: &CeremonyKeyArgs) -> Result<()> {
    let public = args.out.with_extension("pub");
    if public == args.out {
        bail!("--out is the private key; give it another ending than .pub");
    }
    let file = KeyFolder::of_file(&args.out)?;
    let (signer, created) = file.load_or_create(Purpose::TufRoot, Algorithm::EcdsaP256)?;
    write_atomically(&public, signer.public_key().to_pem().as_bytes())?;
    let kept = if created {
        "a new key"
    } else {
        "the key that was there"
    };
    print(&format!(
        "{}: {kept}; keep it where only you get at it. Give {} to whoever runs `init`",
        args.out.display(),
        public.display()
    ));
    Ok(())
}

async fn init(args: &CeremonyInitArgs) -> Result<(), Failure> {
    let (_, repository) = super::open(&args.repository)?;
    let holders = match args.threshold {
        Some(threshold) => Some(Holders {
            keys: public_keys(args).map_err(Failure::Usage)?,
            threshold,
        }),
        None => None,
    };
    let life = Some(Duration::days(args.days));
    let draft = repository.draft(holders.as_ref(), (&args.exchange).into(), life);
    let draft = draft.await.map_err(anyhow::Error::from)?;
    write_draft(&args.out, &draft)?;
    show(&draft);
    print(&format!(
        "each holder, one after the other: sigstead tuf ceremony sign --key THEIRS.pem {}",
        args.out.display()
    ));
    Ok(())
}

async fn sign(args: &CeremonySignArgs) -> Result<(), Failure> {
    let mut draft = read_draft(&args.draft).map_err(Failure::Usage)?;
    let file = KeyFolder::of_file(&args.key).map_err(anyhow::Error::from)?;
    let signer = file.load(Purpose::TufRoot).map_err(anyhow::Error::from)?;
    draft.sign(&signer).await.map_err(anyhow::Error::from)?;
    write_draft(&args.draft, &draft)?;
    show(&draft);
    Ok(())
}

async fn finish(args: &CeremonyFinishArgs) -> Result<(), Failure> {
    let draft = read_draft(&args.draft).map_err(Failure::Usage)?;
    let (layout, repository) = super::open(&args.repository)?;
    let done = repository.finish(draft).await;
    report::done(&done.map_err(anyhow::Error::from)?);
    print(&format!(
        "clients that know an earlier root follow by themselves; give new ones {}",
        layout.tuf_root().display()
    ));
    Ok(())
}

fn show(draft: &Draft) {
    for line in draft.summary() {
        print(&line);
    }
    if draft.is_complete() {
        print("enough have signed: sigstead tuf ceremony finish DRAFT, beside the data folder");
    }
}

fn public_keys(args: &CeremonyInitArgs) -> Result<Vec<PublicKey>> {
    let read = |path: &std::path::PathBuf| {
        let bytes = read_limited(path, MAX_KEY_FILE_BYTES)?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        PublicKey::parse_pem(&text)
            .with_context(|| format!("{} is no public key (PEM)", path.display()))
    };
    args.holders.iter().map(read).collect()
}

fn read_draft(path: &Path) -> Result<Draft> {
    let bytes = read_limited(path, MAX_DRAFT_BYTES)?;
    Draft::parse(&bytes).with_context(|| path.display().to_string())
}

fn write_draft(path: &Path, draft: &Draft) -> Result<()> {
    write_atomically(path, &draft.to_bytes()?)
}
