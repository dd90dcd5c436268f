//! `sigstead serve`: roles from a configuration file, on state that `sigstead init` made.

mod addresses;
pub(crate) mod config;
mod init;
mod roles;
pub(crate) mod table;
pub(crate) mod tree;
mod verifier;
mod witness;

pub(crate) use addresses::load as load_tls;
pub(crate) use init::run as init;

use crate::cli::ServeArgs;
use crate::exit::{Failure, Outcome};
use crate::passphrase;
use crate::relocation::Front;
use ::service::access::Access;
use ::service::{shutdown, telemetry};
use addresses::Addresses;
use anyhow::{Context, Result};
use config::Config;
use roles::Parts;
use sd_notify::NotifyState;
use std::io::Write;

/// Shown below the help of `serve`.
pub(crate) const EXAMPLE: &str = r#"Example:
  sigstead init  --config sigstead.toml            # once: keys, chains, database, trust files
  sigstead serve --config sigstead.toml            # every role that has a section
  sigstead serve --config sigstead.toml rekor      # one role, in a process of its own

sigstead.toml (paths start at its folder; GET /healthz, /readyz on each role's address):
  data_dir = "/var/lib/sigstead"
  database_url_file = "database-url"     # postgres://…; without it SQLite, for one process
  url = "https://sigstore.example.com"   # its host names the logs and never changes
  listen = "127.0.0.1:8080"
  admin_listen = "127.0.0.1:9090"        # optional: Prometheus metrics

  [fulcio]                               # each role may have listen and url of its own
  issuers = "issuers.yaml"
  [rekor]
  [ct]
  [tsa]
  [tuf]
  [verifier]

All settings: sigstead config explain. A witness, or a verifier without an instance:

  [witness]
  name = "witness.example.org/w1"        # stays with the key for ever
  key = "witness.pem"                    # made by init, mode 0600
  database = "witness.db"                # made by init; never restore an old copy
  listen = "127.0.0.1:8081"
  prefix = ""                            # optional: path of the API, e.g. "/w1"

  [[witness.logs]]
  vkey = "example.com/behind-the-sofa+13e30ba2+ASmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"
  [[witness.logs]]
  vkey = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
  origin = "example.com/foo - 1"         # only when it is not the key's name

  # The same for a verifier; all but listen is optional:
  [verifier]
  listen = "127.0.0.1:8083"              # /api/v1/verify, page at /ui/verifier
  policies = "policies"                  # folder of policy documents
  registries = ["registry.example.com"]  # what /api/v1/verify/image may ask; none by default
  max_artifact = "64GiB"                 # of an uploaded artifact: KiB, MiB, GiB or TiB
  key = "verifier.pem"                   # made by init; signs verification summaries (SLSA VSA)
  id = "https://verifier.example.com"    # their verifier.id

  [[verifier.roots]]
  name = "default"                       # asked by when a request names none; "sigstore" is embedded
  file = "trusted_root.json"             # read again when it changes
  [[verifier.roots]]
  name = "staging"
  tuf = "https://tuf.example.com"
  root = "root.json"                     # the root.json to begin with
  folder = "tuf-staging"                 # what was fetched; the last good root answers when a refresh fails
  refresh = "1d"                         # without it no socket is opened: see `sigstead trust update`
"#;

/// What is logged unless the configuration says otherwise.
const FILTER: &str = "warn,sigstead=info,access=info,witness=info,verifier_api=info,trust=info,tuf=info,service=info";

/// `sigstead serve`: runs roles until a signal.
pub(crate) fn run(args: ServeArgs) -> Result<Outcome, Failure> {
    let config = Config::load(&args.config).map_err(Failure::Usage)?;
    let roles = config.roles(&args.roles).map_err(Failure::Usage)?;
    passphrase::of_config(config.passphrase_file.as_deref()).map_err(Failure::Usage)?;
    config.check_built().map_err(Failure::Usage)?;
    let runtime = runtime()?;
    let _traces = begin_telemetry(&config, &runtime)?;
    // The first random bytes cost some 30 ms: get them while the database opens.
    std::thread::spawn(keys::warm_randomness);
    runtime.block_on(serve(config, roles))?;
    Ok(Outcome::Success)
}

async fn serve(config: Config, roles: Vec<crate::cli::Role>) -> Result<()> {
    // 1. The addresses: a taken port is told before a database is opened.
    let addresses = Addresses::bind(&config, &roles).await?;
    let access = Access::new(config.log.access)?;
    // 2. The roles, on what is there; each answers once.
    let parts = Parts::open(&config, &roles, addresses.roles(), access.clone())?;
    let database = parts.database().await?;
    let running = parts.build(database.as_ref()).await?;
    // 3. Serve, and say so.
    let (trigger, shutdown) = shutdown::pair();
    tokio::spawn(trigger.on_signals()?);
    let screen = addresses.screen(running.parts())?;
    let front = Front::new(running);
    let serving = addresses.serve(&front, &access, &shutdown)?;
    say(&format!("{screen}ready\n"))?;
    tell_manager(&[NotifyState::Ready]);
    let moving = async {
        match (parts.layout().filter(|layout| layout.has_all()), database) {
            (Some(layout), Some(database)) => {
                let build = async |database: &_| parts.build(Some(database)).await;
                front.watch(layout, database, build).await
            }
            // The folder is somebody else's: so is the move.
            _ => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shutdown.wait() => {}
        failed = moving => failed?,
    }
    // 4. Finish what is in hand: the requests, then the batches that they wait for, then what they stand on.
    tell_manager(&[NotifyState::Stopping]);
    for task in serving {
        task.await.context("a listener's task failed")??;
    }
    front.close().await;
    Ok(())
}

/// Starts log and traces; what is given has to live as long as the process.
#[cfg(feature = "otel")]
fn begin_telemetry(
    config: &Config,
    runtime: &tokio::runtime::Runtime,
) -> Result<Option<::service::traces::Traces>> {
    let filter = config.log.filter.as_deref().unwrap_or(FILTER);
    let Some(endpoint) = &config.traces else {
        telemetry::init(config.log.form, filter);
        return Ok(None);
    };
    let _entered = runtime.enter();
    let traces = ::service::traces::Traces::begin(endpoint, "sigstead")?;
    telemetry::init_with(config.log.form, filter, &traces);
    Ok(Some(traces))
}

/// Starts the log.
#[cfg(not(feature = "otel"))]
fn begin_telemetry(
    config: &Config,
    _runtime: &tokio::runtime::Runtime,
) -> Result<Option<std::convert::Infallible>> {
    let filter = config.log.filter.as_deref().unwrap_or(FILTER);
    telemetry::init(config.log.form, filter);
    Ok(None)
}

/// Tells systemd (`Type=notify`); without it nobody listens.
fn tell_manager(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "the service manager was not told");
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
