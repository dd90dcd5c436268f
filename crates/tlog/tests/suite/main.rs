//! One suite, stamped over every store.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy.toml covers only the bodies of tests"
)]

mod appending;
mod copying;
mod corruption;
mod duplicates;
mod faults;
mod faulty;
mod fixture;
mod freezing;
mod fsck;
mod guard;
mod health;
mod limits;
mod postgres_server;
mod reading;
mod restart;
mod runs;
mod sqlite_file;
mod steps;
mod witnessed;
mod writers;

/// Stamps tests that take a [`fixture::Fixture`] over the stores.
macro_rules! stamp {
    ($($claim:ident),+ $(,)?) => {
        crate::stamp!(@ memory $($claim)+);
        crate::stamp!(@ sqlite $($claim)+);
        crate::stamp!(@ postgres $($claim)+);
    };
    (@ $store:ident $($claim:ident)+) => {
        mod $store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                // A store that is not there was named by the one who looked for it.
                if let Some(fixture) = crate::fixture::Fixture::$store().await {
                    super::$claim(fixture).await;
                }
            })+
        }
    };
}
pub(crate) use stamp;
