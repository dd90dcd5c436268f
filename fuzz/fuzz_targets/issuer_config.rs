//! Fulcio's issuer configuration, YAML or JSON; its patterns and templates.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oidc::template::{Template, Values};
use oidc::{Config, Transport};

fuzz_target!(|text: &str| {
    let _ = Config::load(text, Transport::default());
    let _ = oidc::pattern::Pattern::parse(text);
    if let Ok(template) = Template::parse(text) {
        let _ = template.render(&Values::new());
    }
});
