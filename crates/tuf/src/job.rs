//! The timer: looks often, signs rarely, and says once a day what somebody should see to.

use crate::{Metrics, Repository, TufError};
use std::time::Duration;
use time::OffsetDateTime;

/// How often a process looks. The clock says what is due; a minute is how late it may be noticed.
pub const PERIOD: Duration = Duration::from_secs(60);
/// How often the same warnings are repeated.
const REPEAT: time::Duration = time::Duration::days(1);

/// Keeps a repository fresh until the task is aborted, at any point: the next process goes on.
///
/// Any number of processes may do so with one store: the store's lock lets one sign, the others find it done.
pub async fn keep_fresh(repository: Repository, metrics: Metrics) {
    let mut said = Said::default();
    loop {
        pass(&repository, &metrics, &mut said).await;
        tokio::time::sleep(PERIOD).await;
    }
}

async fn pass(repository: &Repository, metrics: &Metrics, said: &mut Said) {
    let now = repository.now();
    match repository.refresh().await {
        Ok(done) if done != crate::Done::default() => {
            tracing::info!(?done, "the TUF repository was signed anew");
        }
        Ok(_) => {}
        Err(error) => {
            metrics.failed();
            if said.is_news(&error.to_string(), now) {
                say(&error);
            }
        }
    }
    // What cannot be read was said above.
    if let Ok(status) = repository.status().await {
        metrics.show(&status);
        for warning in &status.warnings {
            if said.is_news(warning, now) {
                tracing::warn!("TUF: {warning}");
            }
        }
    }
}

fn say(error: &TufError) {
    tracing::error!("the TUF repository is not kept fresh: {error}");
}

/// What was said, and when. A text with a time or a number of days in it is news when that changes.
#[derive(Default)]
struct Said(Vec<(String, OffsetDateTime)>);

impl Said {
    fn is_news(&mut self, text: &str, now: OffsetDateTime) -> bool {
        self.0.retain(|(_, at)| now - *at < REPEAT && *at <= now);
        let kind: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        if self.0.iter().any(|(said, _)| *said == kind) {
            return false;
        }
        self.0.push((kind, now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_a_day() {
        let mut said = Said::default();
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(said.is_news("root expires in 80 days", now));
        assert!(!said.is_news("root expires in 79 days", now + REPEAT / 2));
        assert!(said.is_news("targets expires in 79 days", now + REPEAT / 2));
        assert!(said.is_news("root expires in 79 days", now + REPEAT));
    }
}
