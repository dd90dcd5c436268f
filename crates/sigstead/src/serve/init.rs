//! `sigstead init`: makes what `serve` needs, once. What an interrupted call left is used by the next one.

use super::config::{Config, InstanceConfig};
use super::{runtime, say, verifier, witness};
use crate::cli::{InitArgs, Role};
use crate::compose::{Issuers, Services, Settings};
use crate::exit::{Failure, Outcome};
use crate::instance::{Instance, Layout};
use crate::passphrase;
use ::service::telemetry;
use anyhow::{Context, Result};
use clock::Clock;
use prometheus::Registry;
use serde_json::json;
use std::path::Path;

/// Makes the state of an instance, or of one role that has its own, and prints what others need to know of it.
pub(crate) fn run(args: InitArgs) -> Result<Outcome, Failure> {
    telemetry::init(telemetry::Form::Text, "warn");
    let config = Config::load(&args.config).map_err(Failure::Usage)?;
    passphrase::of_config(config.passphrase_file.as_deref()).map_err(Failure::Usage)?;
    match (args.role, &config.instance) {
        (Some(Role::Witness), _) => {
            let settings = config.witness.as_ref();
            let settings = settings.ok_or_else(|| missing(&config, Role::Witness))?;
            let vkey = runtime()?.block_on(witness::init(settings))?;
            let who = "This is the witness's verifier key: give it, with the witness's URL, to the operators of the logs.";
            tell_key(&format!("{vkey}\n"), who, Role::Witness, &config.path)?;
        }
        (Some(Role::Verifier), _) => {
            let settings = config.verifier.as_ref();
            let settings = settings.ok_or_else(|| missing(&config, Role::Verifier))?;
            let pem = verifier::init(settings)?;
            let who =
                "This is the key of the verifier's summaries: give it to those who rely on them.";
            tell_key(&pem, who, Role::Verifier, &config.path)?;
        }
        (Some(role), _) => {
            return Err(Failure::Usage(anyhow::anyhow!(
                "{} has no state of its own: run sigstead init --config {}, which makes that of the whole instance",
                role.name(),
                config.path.display()
            )));
        }
        (None, Some(settings)) => runtime()?.block_on(instance(&config, settings, args.json))?,
        (None, None) => return Err(Failure::Usage(config.missing(Role::Fulcio))),
    }
    Ok(Outcome::Success)
}

async fn instance(config: &Config, settings: &InstanceConfig, as_json: bool) -> Result<()> {
    let clock = Clock::system();
    // 1. Mistakes of others' files come before anything is made.
    let database = settings.database()?;
    let issuers = match settings.has_issuers() {
        true => settings.issuers()?,
        false => Issuers {
            text: None,
            allow_http: false,
        },
    };
    // 2. Keys, chains, public halves.
    let layout = Layout::lock(&settings.data_dir)?;
    let (url, host) = (settings.url.as_str(), settings.host()?);
    let urls = Some(settings.urls.clone());
    let key_type = settings.key_type.algorithm();
    let made = Instance::open_or_create_with(layout, url, &host, urls, key_type, &clock).await;
    let mut instance = made?;
    let is_new = instance.is_unfinished();
    if settings.has_dev_issuer() {
        instance.make_dev_issuer()?;
    }
    instance.verifier()?;
    // 3. Database and logs. All roles answer once, except that the CA has nobody to listen to when it is not here.
    let mut roles = Role::OF_INSTANCE.to_vec();
    if issuers.text.is_none() && !settings.has_dev_issuer() {
        roles.retain(|role| *role != Role::Fulcio);
    }
    let settings_of_all = Settings {
        roles,
        issuers,
        has_dev_issuer: settings.has_dev_issuer(),
        database,
        outward: settings.outward.clone(),
        limits: settings.limits.clone(),
    };
    let registry = Registry::new();
    let services = Services::build(&instance, settings_of_all, &clock, &registry).await?;
    services.check_ready().await?;
    instance.finish()?;
    // 4. What clients get.
    let settled = services.settle().await;
    services.close().await;
    settled?;
    tell(config, &instance, is_new, as_json)
}

fn tell(config: &Config, instance: &Instance, is_new: bool, as_json: bool) -> Result<()> {
    let (layout, path) = (&instance.layout, config.path.display());
    if as_json {
        let text = json!({
            "created": is_new,
            "data_dir": layout.root(),
            "keys_dir": layout.keys(),
            "trust_dir": layout.trust(),
            "tuf_root": layout.tuf_root(),
            "host": instance.public.host,
        });
        return say(&format!("{text}\n"));
    }
    let what = match is_new {
        true => "made",
        false => "was there already and is complete",
    };
    say(&format!(
        "The instance {what}: {data}\n\
         \x20 Keys          {keys}   (back them up; whoever has them can sign as you)\n\
         \x20 Trust files   {trust}   (give them to your clients)\n\
         \x20 TUF root      {tuf}\n\
         Next: sigstead serve --config {path}\n",
        data = layout.root().display(),
        keys = layout.keys().display(),
        trust = layout.trust().display(),
        tuf = layout.tuf_root().display(),
    ))
}

fn missing(config: &Config, role: Role) -> Failure {
    Failure::Usage(config.missing(role))
}

/// The key alone on standard output, so that a script can take it; what to do with it beside it.
#[allow(clippy::print_stderr)]
fn tell_key(key: &str, who: &str, role: Role, config: &Path) -> Result<()> {
    say(key).context("standard output")?;
    eprintln!(
        "{who}\nNext: sigstead serve --config {} {}",
        config.display(),
        role.name()
    );
    Ok(())
}
