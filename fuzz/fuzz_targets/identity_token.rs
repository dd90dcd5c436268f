//! Identity tokens, as far as they are read before a key is fetched: no issuer is configured, so
//! every token is refused, and at once.
#![no_main]

use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use clock::Clock;
use libfuzzer_sys::fuzz_target;
use oidc::{Config, Transport, Verifier};
use time::OffsetDateTime;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let config = Config::load(r#"{"OIDCIssuers": {}}"#, Transport::default()).unwrap();
    let (clock, _hand) = Clock::manual(OffsetDateTime::UNIX_EPOCH);
    Verifier::new(config, Transport::default(), clock)
});

fuzz_target!(|token: &str| {
    let answer = pin!(VERIFIER.verify(token)).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Ready(Err(_))));
});
