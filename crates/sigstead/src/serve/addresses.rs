//! The addresses of a process: roles that share one are served by one listener. A service manager may have bound them
//! already (`LISTEN_FDS`): then a socket is known by its address.

use super::config::{Config, TlsConfig};
use super::roles::Running;
use crate::cli::Role;
use crate::compose::Part;
use crate::relocation::Front;
use ::service::access::Access;
use ::service::listen::{self, Options};
use ::service::shutdown::Shutdown;
use ::service::tls::{Files, Tls};
use anyhow::{Context, Result, bail};
use listenfd::ListenFd;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

/// Bound addresses, each with its roles.
pub(super) struct Addresses {
    bound: Vec<Address>,
    admin: Option<TcpListener>,
    tls: Option<Tls>,
}

struct Address {
    asked: SocketAddr,
    roles: Vec<Role>,
    listener: TcpListener,
}

impl Addresses {
    /// Binds all of them before any answers.
    pub(super) async fn bind(config: &Config, roles: &[Role]) -> Result<Self> {
        let tls = config.tls.as_ref().map(load).transpose()?;
        let mut given = Given::take()?;
        let mut bound: Vec<Address> = Vec::new();
        for role in roles {
            let asked = config.listen_of(*role);
            // Port 0 asks for any free port: for each role another one, unless the address is that of all.
            let is_shared = asked.port() != 0 || asked == config.listen;
            match bound.iter_mut().find(|one| one.asked == asked) {
                Some(one) if is_shared => one.roles.push(*role),
                _ => bound.push(Address {
                    asked,
                    roles: vec![*role],
                    listener: given
                        .or_bind(asked)
                        .await
                        .with_context(|| format!("{}.listen", role.name()))?,
                }),
            }
        }
        let admin = match config.admin_listen {
            Some(address) => Some(given.or_bind(address).await.context("admin_listen")?),
            None => None,
        };
        given.check_none_left()?;
        Ok(Self { bound, admin, tls })
    }

    /// The roles of each listener.
    pub(super) fn roles(&self) -> Vec<Vec<Role>> {
        let bound = self.bound.iter();
        bound.map(|address| address.roles.clone()).collect()
    }

    /// The lines of the first screen.
    pub(super) fn screen(&self, parts: &[Part]) -> Result<String> {
        let scheme = match &self.tls {
            Some(_) => "https",
            None => "http",
        };
        let mut screen = String::new();
        if let Some(admin) = &self.admin {
            screen += &format!("metrics on http://{}/metrics\n", admin.local_addr()?);
        }
        for address in &self.bound {
            let base = format!("{scheme}://{}", address.listener.local_addr()?);
            let here = parts
                .iter()
                .filter(|part| address.roles.contains(&part.role));
            screen.extend(here.map(|part| part.screen(&base)));
        }
        Ok(screen)
    }

    /// Serves; gives the tasks that end with the listeners.
    pub(super) fn serve(
        self,
        front: &Front<Running>,
        access: &Access,
        shutdown: &Shutdown,
    ) -> Result<Vec<JoinHandle<Result<()>>>> {
        match &self.tls {
            // They end with the runtime.
            Some(tls) => drop(tokio::spawn(tls.follow()?)),
            None => drop(tokio::spawn(ignore_hangups()?)),
        }
        if let Some(listener) = self.admin {
            let monitoring = front.router(self.bound.len());
            tokio::spawn(listen::serve(listener, monitoring, shutdown.clone()));
        }
        let mut tasks = Vec::new();
        for (place, address) in self.bound.into_iter().enumerate() {
            let options = Options {
                tls: self.tls.clone(),
                access: access.clone(),
            };
            let router = front.router(place);
            let serving = listen::serve_with(address.listener, options, router, shutdown.clone());
            tasks.push(tokio::spawn(async move { Ok(serving.await?) }));
        }
        Ok(tasks)
    }
}

/// A unit may send SIGHUP on every reload; without files to read again it must not be the end.
fn ignore_hangups() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("there is no certificate to be read again");
        }
    })
}

/// Reads certificate and key, so that their mistakes are told before an address is bound.
pub(crate) fn load(tls: &TlsConfig) -> Result<Tls> {
    let files = Files {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
        client_ca: tls.client_ca.clone(),
    };
    Tls::load(files).context("tls")
}

/// Sockets that the service manager bound.
struct Given(Vec<(SocketAddr, std::net::TcpListener)>);

impl Given {
    fn take() -> Result<Self> {
        let mut manager = ListenFd::from_env();
        let mut given = Vec::new();
        for number in 0..manager.len() {
            let listener = manager.take_tcp_listener(number);
            let listener = listener.context("a socket of the service manager is no TCP socket")?;
            if let Some(listener) = listener {
                given.push((listener.local_addr()?, listener));
            }
        }
        Ok(Self(given))
    }

    async fn or_bind(&mut self, address: SocketAddr) -> Result<TcpListener> {
        match self.0.iter().position(|(bound, _)| *bound == address) {
            Some(at) => Ok(listen::adopt(self.0.swap_remove(at).1)?),
            None => Ok(listen::bind(address).await?),
        }
    }

    /// A socket that nobody answers would leave its callers waiting.
    fn check_none_left(&self) -> Result<()> {
        match self.0.first() {
            Some((address, _)) => bail!(
                "the service manager gives a socket on {address}, and no role listens there: write that address into the \
                 configuration, or take it out of the socket unit"
            ),
            None => Ok(()),
        }
    }
}
