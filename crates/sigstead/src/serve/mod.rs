//! `sigstead serve`: roles from a configuration file, on state that `sigstead init` made.

mod config;
mod service;
mod table;
mod verifier;
mod witness;

use crate::cli::{InitArgs, Role, ServeArgs};
use crate::exit::{Failure, Outcome};
use ::service::shutdown::Shutdown;
use ::service::{health, listen, shutdown, telemetry};
use anyhow::{Context, Result, anyhow};
use clock::Clock;
pub(crate) use config::{Config, RootConfig, RootSource};
use prometheus::Registry;
use service::Service;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
pub(crate) use verifier::repository;

/// Shown below the help of `serve`.
pub(crate) const EXAMPLE: &str = r#"Example:
  sigstead init witness --config witness.toml
  sigstead serve --config witness.toml witness

witness.toml (paths start at its folder; GET /healthz, /readyz on each role's address):
  admin_listen = "127.0.0.1:9090"        # optional: Prometheus metrics

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

/// `sigstead init`: makes a role's state and prints what others need to know of it.
pub(crate) fn init(args: InitArgs) -> Result<Outcome, Failure> {
    telemetry::init(telemetry::Form::Text, "warn");
    let config = Config::load(&args.config).map_err(Failure::Usage)?;
    match args.role {
        Role::Witness => {
            let settings = section(config.witness, args.role, &args.config)?;
            let vkey = runtime()?.block_on(witness::init(&settings))?;
            let who = "This is the witness's verifier key: give it, with the witness's URL, to the operators of the logs.";
            tell_key(&format!("{vkey}\n"), who, args.role, &args.config)?;
        }
        Role::Verifier => {
            let settings = section(config.verifier, args.role, &args.config)?;
            let pem = verifier::init(&settings)?;
            let who =
                "This is the key of the verifier's summaries: give it to those who rely on them.";
            tell_key(&pem, who, args.role, &args.config)?;
        }
    }
    Ok(Outcome::Success)
}

/// `sigstead serve`: runs roles until a signal.
pub(crate) fn run(args: ServeArgs) -> Result<Outcome, Failure> {
    telemetry::init(
        telemetry::Form::Text,
        "warn,sigstead=info,witness=info,verifier_api=info,trust=info",
    );
    let config = Config::load(&args.config).map_err(Failure::Usage)?;
    check_roles(&args.roles).map_err(Failure::Usage)?;
    runtime()?.block_on(serve(args, config))?;
    Ok(Outcome::Success)
}

async fn serve(args: ServeArgs, mut config: Config) -> Result<()> {
    // 1. The roles, on what is there.
    let (clock, registry) = (Clock::system(), Registry::new());
    let mut services = Vec::new();
    for role in &args.roles {
        services.push(match role {
            Role::Witness => {
                let section = config.witness.take();
                let section = section.ok_or_else(|| missing(*role, &args.config))?;
                witness::build(section, &args.config, &clock, &registry).await?
            }
            Role::Verifier => {
                let section = config.verifier.take();
                let section = section.ok_or_else(|| missing(*role, &args.config))?;
                verifier::build(section, &args.config, &clock, &registry).await?
            }
        });
    }
    // 2. Their addresses: all of them before any answers.
    let mut bound = Vec::new();
    for service in services {
        let listener = bind(service.listen, service.role).await?;
        bound.push((service, listener));
    }
    let admin = match config.admin_listen {
        Some(address) => Some(bind(address, "admin_listen").await?),
        None => None,
    };
    // 3. Serve, and say so.
    let (trigger, shutdown) = shutdown::pair();
    tokio::spawn(trigger.on_signals()?);
    let mut screen = String::new();
    if let Some(listener) = admin {
        screen += &format!("metrics on http://{}/metrics\n", listener.local_addr()?);
        let router = health::metrics_router(registry);
        tokio::spawn(listen::serve(listener, router, shutdown.clone()));
    }
    let mut serving = Vec::new();
    for (service, listener) in bound {
        screen += &service.screen(listener.local_addr()?);
        serving.push(start(service, listener, &shutdown));
    }
    say(&format!("{screen}ready\n"))?;
    // 4. Finish what is in hand.
    for task in serving {
        task.await.context("a listener's task failed")??;
    }
    Ok(())
}

fn start(service: Service, listener: TcpListener, shutdown: &Shutdown) -> JoinHandle<Result<()>> {
    let serving = listen::serve(listener, service.full_router(), shutdown.clone());
    tokio::spawn(async move {
        serving.await?;
        service.close.await;
        Ok(())
    })
}

async fn bind(address: SocketAddr, what: &str) -> Result<TcpListener> {
    listen::bind(address).await.context(what.to_owned())
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

fn check_roles(roles: &[Role]) -> Result<()> {
    let twice = |(number, role): (usize, &Role)| roles[..number].contains(role);
    match roles.iter().enumerate().any(twice) {
        true => Err(anyhow!("name each role once")),
        false => Ok(()),
    }
}

fn section<T>(section: Option<T>, role: Role, file: &Path) -> Result<T, Failure> {
    section.ok_or_else(|| Failure::Usage(missing(role, file)))
}

fn missing(role: Role, file: &Path) -> anyhow::Error {
    anyhow!(
        "{} has no section [{}]: see `sigstead serve --help`",
        file.display(),
        role.name()
    )
}

/// The key alone on standard output, so that a script can take it; what to do with it beside it.
#[allow(clippy::print_stderr)]
fn tell_key(key: &str, who: &str, role: Role, config: &Path) -> Result<()> {
    say(key)?;
    eprintln!(
        "{who}\nNext: sigstead serve --config {} {}",
        config.display(),
        role.name()
    );
    Ok(())
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
