//! Logs: one line a fact, on standard error, filtered by `SIGSTEAD_LOG`.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The form of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. Later calls do nothing.
pub fn init(form: Form, default_filter: &str) {
    // An error means that a subscriber is set already (tests): that one stays.
    let _ = tracing_subscriber::registry()
        .with(lines(form, default_filter))
        .try_init();
}

/// The same with traces.
#[cfg(feature = "otel")]
pub fn init_with(form: Form, default_filter: &str, traces: &crate::traces::Traces) {
    let _ = tracing_subscriber::registry()
        .with(lines(form, default_filter))
        .with(traces.layer())
        .try_init();
}

fn lines(form: Form, default_filter: &str) -> impl Layer<Registry> + use<> {
    let filter =
        EnvFilter::try_from_env("SIGSTEAD_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match form {
        Form::Text => layer.with_target(false).with_filter(filter).boxed(),
        Form::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    }
}

/// Checks a filter and gives it back.
///
/// # Errors
/// When a part of it is no `target=level`.
pub fn check_filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned())
}
