//! The addresses of a process: roles that share one are served by one listener.

use super::config::Config;
use super::roles::Running;
use crate::cli::Role;
use crate::compose::router;
use ::service::listen;
use ::service::shutdown::Shutdown;
use anyhow::{Context, Result};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Bound addresses, each with its roles.
pub(super) struct Addresses(Vec<Address>);

struct Address {
    asked: SocketAddr,
    roles: Vec<Role>,
    listener: TcpListener,
}

impl Addresses {
    /// Binds all of them before any answers.
    pub(super) async fn bind(config: &Config, roles: &[Role]) -> Result<Self> {
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
                    listener: listen::bind(asked)
                        .await
                        .with_context(|| format!("{}.listen", role.name()))?,
                }),
            }
        }
        Ok(Self(bound))
    }

    /// Serves; gives the lines of the first screen and the tasks that end with the listeners.
    pub(super) fn serve(
        self,
        running: &Running,
        shutdown: &Shutdown,
    ) -> Result<(String, Vec<JoinHandle<Result<()>>>)> {
        let (mut screen, mut tasks) = (String::new(), Vec::new());
        for address in self.0 {
            let parts = || {
                let parts = running.parts().iter();
                parts.filter(|part| address.roles.contains(&part.role))
            };
            let router = router(parts(), running.served());
            let base = format!("http://{}", address.listener.local_addr()?);
            screen.extend(parts().map(|part| part.screen(&base)));
            let serving = listen::serve(address.listener, router, shutdown.clone());
            tasks.push(tokio::spawn(async move { Ok(serving.await?) }));
        }
        Ok((screen, tasks))
    }
}
