//! Logs: one line a fact, on standard error, filtered by `SIGSTEAD_LOG`.

use tracing_subscriber::EnvFilter;

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
    let filter =
        EnvFilter::try_from_env("SIGSTEAD_LOG").unwrap_or_else(|_| EnvFilter::new(default_filter));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error means that a subscriber is set already (tests): that one stays.
    let _ = match form {
        Form::Text => builder.with_target(false).try_init(),
        Form::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// Checks a filter and gives it back.
///
/// # Errors
/// When a part of it is no `target=level`.
pub fn check_filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned())
}
