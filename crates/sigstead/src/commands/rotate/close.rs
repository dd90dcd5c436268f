//! `sigstead rotate close`: an old key turns out to have been in other hands.

use super::drive::{Place, Taken, drive};
use super::times::check_compromised;
use super::{Planned, State, print};
use crate::cli::rotate::RotateCloseArgs;
use crate::exit::{Failure, Outcome};
use crate::instance::{Description, Kind, Layout, PublicHalf, Role, describe, edit};
use crate::trust_files::{TRUSTED_ROOT_FILE, trusted_root};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use std::path::PathBuf;
use time::OffsetDateTime;

pub(super) async fn run(args: &RotateCloseArgs, place: &Place<'_>) -> Result<Outcome, Failure> {
    let layout = Layout::read_only(&args.data.data_dir);
    let public = PublicHalf::load(&layout, &describe(&layout)?)?;
    let old = Old::find(&public, &args.name).map_err(Failure::Usage)?;
    let since = check_compromised(
        args.compromised_since,
        &args.name,
        old.start,
        place.clock.now(),
    );
    let since = since.map_err(Failure::Usage)?;
    if !args.yes {
        print(&format!(
            "What {} signed since {since} would be void for every client that has the new trusted root. What is older stays \
             verifiable.",
            args.name
        ));
        return Err(Failure::Failed(anyhow!(
            "nothing was changed; to do it, add --yes"
        )));
    }
    let taken = Taken::try_take(place).await?;
    edit(&layout, |description| old.close(description, &since))?;
    let told = Told {
        file: layout.trust().join(TRUSTED_ROOT_FILE),
    };
    drive(place, &layout, &told, taken).await?;
    match args.json {
        true => {
            let text = json!({"closed": args.name, "compromised_since": since, "trust_dir": layout.trust()});
            print(&serde_json::to_string_pretty(&text).map_err(anyhow::Error::from)?);
        }
        false => print(&format!(
            "What {} signed since {since} is void. Next: give clients that do not follow the TUF repository the files in {}.",
            args.name,
            layout.trust().display()
        )),
    }
    Ok(Outcome::Success)
}

/// A key that was replaced.
struct Old {
    start: OffsetDateTime,
    after: After,
}

/// Whose record has the end of the old key.
enum After {
    Generation(Role, u32),
    Shard(Kind, u32),
}

impl Old {
    fn find(public: &PublicHalf, name: &str) -> Result<Self> {
        let still = |command: &str| {
            anyhow!(
                "{name} still signs: replace it at once with `sigstead rotate {command} --compromised-since TIME --yes`"
            )
        };
        for role in Role::ALL {
            for generation in public.generations(role)? {
                if generation.name() == name {
                    generation.replaced.ok_or_else(|| still(role.name()))?;
                    return Ok(Self {
                        start: generation.start,
                        after: After::Generation(role, generation.number),
                    });
                }
            }
        }
        for shard in public.shards()? {
            if shard.name() == name {
                shard.frozen.ok_or_else(|| still("log"))?;
                return Ok(Self {
                    start: shard.start,
                    after: After::Shard(shard.kind, shard.number),
                });
            }
        }
        bail!("there is no key {name}; sigstead rotate --status names them all")
    }

    fn close(&self, description: &mut Description, since: &str) -> Result<()> {
        let compromised = match self.after {
            After::Generation(role, number) => {
                let mut records = description.successors.iter_mut();
                let record = records.find(|one| one.role == role && one.number == number + 1);
                record.map(|record| &mut record.compromised)
            }
            After::Shard(kind, number) => {
                let mut records = description.shards.iter_mut();
                let record = records.find(|one| one.log == kind && one.number == number + 1);
                record.map(|record| &mut record.compromised)
            }
        };
        let compromised = compromised.context("the key after it is recorded")?;
        // The earlier time holds: what was taken back is not given again.
        match compromised {
            Some(known) if known.as_str() <= since => {}
            _ => *compromised = Some(since.to_owned()),
        }
        Ok(())
    }
}

/// Done when the clients' file says what is recorded.
struct Told {
    file: PathBuf,
}

impl Planned for Told {
    fn state(&self, _: &Description, public: &PublicHalf) -> Result<State> {
        let expected = trusted_root(public)?.to_json();
        let written = std::fs::read_to_string(&self.file).unwrap_or_default();
        Ok(match written == expected {
            true => State::Done,
            false => State::Open,
        })
    }
}
