//! When to stop: the first SIGINT or SIGTERM asks, a second one insists.

use tokio::sync::watch;

/// Tells every part of the process that it should finish.
#[derive(Clone, Debug)]
pub struct Shutdown {
    receiver: watch::Receiver<bool>,
}

/// Asks for shutdown when dropped or triggered.
#[derive(Clone, Debug)]
pub struct Trigger {
    sender: watch::Sender<bool>,
}

/// Makes a pair: one end asks, the other is waited for.
pub fn pair() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger { sender }, Shutdown { receiver })
}

impl Trigger {
    /// Asks everyone to finish.
    pub fn shut_down(&self) {
        self.sender.send_replace(true);
    }

    /// Asks on SIGINT or SIGTERM; a second signal ends the process at once with status 130.
    pub async fn on_signals(self) {
        wait_for_signal().await;
        tracing::info!("finishing: a second signal ends the process at once");
        self.shut_down();
        wait_for_signal().await;
        std::process::exit(130);
    }
}

impl Shutdown {
    /// Waits until someone asks.
    pub async fn wait(mut self) {
        // An error means that the trigger is gone: nobody can ask any more, so this is the end as well.
        let _ = self.receiver.wait_for(|asked| *asked).await;
    }
}

async fn wait_for_signal() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut stream) => {
                stream.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_who_waits_is_told() {
        let (trigger, shutdown) = pair();
        let other = shutdown.clone();
        trigger.shut_down();
        shutdown.wait().await;
        other.wait().await;
    }
}
