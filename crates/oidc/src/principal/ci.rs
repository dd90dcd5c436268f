//! Type `ci-provider` and the built-in providers: names and extensions by template (spec 3.5).

use crate::claims::{Claims, missing, plain};
use crate::config::{Field, Provider};
use crate::error::{EmbedError, TokenError, shown};
use crate::gourl::GoUrl;
use crate::template::Values;
use pki::extensions::FulcioExtensions;
use serde_json::Value;

/// Built-in providers refuse a token that lacks a claim they name; a number 0 counts as absent.
pub(super) fn check_required(provider: &Provider, claims: &Claims) -> Result<(), TokenError> {
    for claim in &provider.required {
        let there = match claims.get(claim) {
            Some(Value::String(s)) => !s.is_empty(),
            Some(Value::Number(n)) => n.as_f64() != Some(0.0),
            _ => false,
        };
        if !there {
            return Err(missing(claim));
        }
    }
    Ok(())
}

/// Defaults overlaid by all claims of the token, as texts. Claims win.
pub(super) fn values(provider: &Provider, claims: &Claims) -> Values {
    let mut values: Values = provider.defaults.clone();
    values.extend(
        claims
            .iter()
            .map(|(claim, value)| (claim.clone(), plain(value))),
    );
    values
}

/// Sets every extension whose template gives a text.
pub(super) fn extensions(
    provider: &Provider,
    values: &Values,
    out: &mut FulcioExtensions,
) -> Result<(), EmbedError> {
    for (name, field) in &provider.extensions {
        let value = evaluate(&format!("{}.{name}", provider.name), field, values)?;
        if !value.is_empty() {
            // The name was checked when the configuration loaded.
            out.set(name, value);
        }
    }
    Ok(())
}

/// The subject alternative name: a URL, written again as Go writes it.
pub(super) fn name(provider: &Provider, values: &Values) -> Result<String, EmbedError> {
    let template = format!("{}.subject-alternative-name-template", provider.name);
    let text = evaluate(&template, &provider.san, values)?;
    if text.trim().is_empty() {
        return Err(EmbedError::NameEmpty { template });
    }
    match GoUrl::parse(&text) {
        Ok(url) => Ok(url.to_string()),
        Err(source) => Err(EmbedError::NameUrl {
            value: shown(&text),
            source,
        }),
    }
}

fn evaluate(template: &str, field: &Field, values: &Values) -> Result<String, EmbedError> {
    match field {
        Field::Key(key) => values
            .get(key)
            .cloned()
            .ok_or_else(|| EmbedError::KeyMissing {
                template: template.to_owned(),
                key: key.clone(),
            }),
        Field::Template(t) => t.render(values).map_err(|source| EmbedError::Template {
            template: template.to_owned(),
            source,
        }),
    }
}
