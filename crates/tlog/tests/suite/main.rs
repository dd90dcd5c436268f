//! One suite, stamped over every store.
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy.toml covers only the bodies of tests"
)]

mod appending;
mod corruption;
mod duplicates;
mod faults;
mod faulty;
mod fixture;
mod limits;
mod reading;
mod restart;
mod sqlite_file;
mod writers;

/// Stamps tests that take a [`fixture::Fixture`] over the stores.
macro_rules! stamp {
    ($($claim:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                super::$claim(crate::fixture::Fixture::memory().await).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $claim() {
                super::$claim(crate::fixture::Fixture::sqlite().await).await;
            })+
        }
    };
}
pub(crate) use stamp;
