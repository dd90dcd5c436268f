//! `sigstead up`: a whole Sigstore in one process.

mod running;
mod screen;

use crate::cli::UpArgs;
use crate::compose::Issuers;
use crate::exit::{Failure, Outcome};
use crate::instance::{Instance, Layout};
use crate::relocation::{self, Front};
use anyhow::{Context, Result, anyhow, bail};
use clock::Clock;
use running::{CLIENTS, MONITORING, Parts};
use service::{listen, shutdown, telemetry};
use std::net::SocketAddr;
use url::Url;

pub(crate) fn run(args: UpArgs) -> Result<Outcome, Failure> {
    telemetry::init(telemetry::Form::Text, "warn,sigstead=info");
    check_loopback(&args).map_err(Failure::Usage)?;
    let (url, host) = base_url(&args).map_err(Failure::Usage)?;
    // The first random bytes cost some 30 ms: get them while the database opens.
    std::thread::spawn(keys::warm_randomness);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)?;
    runtime.block_on(up(args, url, host))?;
    Ok(Outcome::Success)
}

async fn up(args: UpArgs, url: String, host: String) -> Result<()> {
    // 1. The address first: a taken port must not cost a new data folder.
    let listener = listen::bind(args.listen).await?;
    let url = with_port(url, &args, listener.local_addr()?);
    let admin = match args.admin_listen {
        Some(address) => Some(listen::bind(address).await?),
        None => None,
    };
    // 2. The instance: opened, or made when the folder is new. A mistake in the issuers' file comes first.
    let clock = Clock::system();
    let issuers = issuers(&args)?;
    let layout = Layout::lock(&args.data.data_dir)?;
    let algorithm = args.ca_key_type.algorithm();
    let mut instance = Instance::open_or_create(layout, &url, &host, algorithm, &clock).await?;
    if issuers.text.is_none() {
        instance.make_dev_issuer()?;
    }
    // 3. The services, on one router; each answers once.
    let database = args.database.or_file_in(&instance.layout);
    let database = relocation::settle(&instance.layout, database).await?;
    let parts = Parts {
        issuers,
        outward: args.outward,
        clock,
    };
    let built = parts.build(&instance, &database).await?;
    instance.finish()?;
    // 4. The files that clients need, after what an interrupted rotation left to do.
    let running = built.start().await?;
    let dev_issuer = running.dev_issuer();
    // 5. Serve, and say so.
    let (trigger, shutdown) = shutdown::pair();
    tokio::spawn(trigger.on_signals()?);
    let front = Front::new(running);
    if let Some(listener) = admin {
        let monitoring = front.router(MONITORING);
        tokio::spawn(listen::serve(listener, monitoring, shutdown.clone()));
    }
    let serving = tokio::spawn(listen::serve(listener, front.router(CLIENTS), shutdown));
    screen::print(&instance, dev_issuer.as_deref(), args.json)?;
    let build = async |database: &_| {
        let built = parts.build(&instance, database).await?;
        built.start().await
    };
    let moving = front.watch(&instance.layout, database, build);
    // 6. Finish what is in hand.
    tokio::select! {
        served = serving => served.context("the listener's task failed")??,
        failed = moving => failed?,
    }
    front.close().await;
    Ok(())
}

/// Reads and checks the issuers' file, so that its mistakes are told before anything is created.
fn issuers(args: &UpArgs) -> Result<Issuers> {
    let allow_http = args.allow_http_issuers;
    match &args.issuers {
        Some(path) => Issuers::load(path, allow_http),
        None => Ok(Issuers {
            text: None,
            allow_http,
        }),
    }
}

/// With the development issuer on, anyone who reaches the address may be anyone: loopback only.
fn check_loopback(args: &UpArgs) -> Result<()> {
    if args.issuers.is_none() && !args.listen.ip().is_loopback() {
        bail!(
            "the development issuer vouches for anybody, so `up` listens on loopback only, not on {}. \
             Use --listen 127.0.0.1:{}, or your own issuers with --issuers FILE",
            args.listen.ip(),
            args.listen.port()
        );
    }
    Ok(())
}

/// The base URL without a trailing slash, and its host without brackets.
fn base_url(args: &UpArgs) -> Result<(String, String)> {
    if args.url.is_none() && args.listen.ip().is_unspecified() {
        bail!(
            "--listen {} is every address of this machine: say with --url which one clients use; its host names the \
             logs and cannot change later",
            args.listen
        );
    }
    let text = args
        .url
        .clone()
        .unwrap_or_else(|| format!("http://{}", args.listen));
    let url = Url::parse(&text).with_context(|| {
        format!("--url {text} is not a URL; write it as https://sigstore.example.com")
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        bail!("--url {text}: clients need http or https");
    }
    if url.path() != "/"
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
    {
        bail!(
            "--url {text} must be scheme, host and port alone: clients drop or refuse anything after them"
        );
    }
    let host = url
        .host_str()
        .ok_or_else(|| anyhow!("--url {text} has no host"))?;
    let host = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned();
    Ok((text.trim_end_matches('/').to_owned(), host))
}

/// Port 0 asks for any free port: the URL then names the one that was given.
fn with_port(url: String, args: &UpArgs, bound: SocketAddr) -> String {
    if args.url.is_none() {
        format!("http://{bound}")
    } else {
        url
    }
}

#[cfg(test)]
mod years;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn args(words: &[&str]) -> UpArgs {
        let cli = Cli::try_parse_from(["sigstead", "up"].iter().chain(words)).unwrap();
        match cli.command {
            Command::Up(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_development_issuer_is_refused_off_loopback() {
        let error = check_loopback(&args(&["--listen", "0.0.0.0:8080"]))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("loopback") && error.contains("--issuers"),
            "{error}"
        );
        assert!(check_loopback(&args(&["--listen", "[::1]:8080"])).is_ok());
        assert!(
            check_loopback(&args(&["--listen", "0.0.0.0:8080", "--issuers", "f.yaml"])).is_ok()
        );
    }

    #[test]
    fn the_host_comes_from_the_url_without_port_or_brackets() {
        assert_eq!(
            base_url(&args(&[])).unwrap(),
            ("http://127.0.0.1:8080".into(), "127.0.0.1".into())
        );
        assert_eq!(
            base_url(&args(&["--listen", "[::1]:9000"])).unwrap().1,
            "::1"
        );
        let named = args(&["--url", "https://sigstore.example.com/"]);
        assert_eq!(
            base_url(&named).unwrap(),
            (
                "https://sigstore.example.com".into(),
                "sigstore.example.com".into()
            )
        );
    }

    #[test]
    fn an_address_that_no_client_can_reach_is_refused_as_identity() {
        let everywhere = ["--listen", "0.0.0.0:8080", "--issuers", "f.yaml"];
        assert!(base_url(&args(&everywhere)).is_err());
        let named = [&everywhere[..], &["--url", "https://sigstore.example.com"]].concat();
        assert!(base_url(&args(&named)).is_ok());
    }

    #[test]
    fn a_path_in_the_url_is_refused_because_clients_would_lose_it() {
        assert!(base_url(&args(&["--url", "https://example.com/sigstore"])).is_err());
        assert!(base_url(&args(&["--url", "ftp://example.com"])).is_err());
        assert!(base_url(&args(&["--url", "example.com"])).is_err());
    }
}
