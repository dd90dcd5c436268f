//! Service chassis: listener, TLS, path cleaning, telemetry, error bodies, readiness, shutdown.
//!
//! A service crate exports a router; the program merges routers and hands them to [`listen::serve`].

pub mod access;
mod answer;
pub mod budget;
pub mod deadline;
pub mod error;
pub mod health;
pub mod listen;
pub mod path;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
#[cfg(feature = "otel")]
pub mod traces;
