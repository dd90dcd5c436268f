//! When to stop: the first SIGINT or SIGTERM asks, a second one insists.

use tokio::signal::unix::{Signal, SignalKind, signal};
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
    ///
    /// The handlers are in place when this returns, so that a signal right behind `ready` is not the default's, which
    /// would end the process in the middle of a batch.
    ///
    /// # Errors
    /// When the operating system refuses the handlers.
    pub fn on_signals(self) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            either(&mut interrupt, &mut terminate).await;
            tracing::info!("finishing: a second signal ends the process at once");
            self.shut_down();
            either(&mut interrupt, &mut terminate).await;
            std::process::exit(130);
        })
    }
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

impl Shutdown {
    /// Waits until someone asks.
    pub async fn wait(mut self) {
        // An error means that the trigger is gone: nobody can ask any more, so this is the end as well.
        let _ = self.receiver.wait_for(|asked| *asked).await;
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
