//! What summaries call a demand: canonical JSON, so that whoever demands the same by another way gets the same digest.

use crate::wire::IdentityDemand;
use policy::Document;
use serde_json::{Value, json};

/// Writes what must have signed, when no policy document says it: `{"identity": …}` or `{"key": "PEM"}`.
pub fn demand_value(identity: Option<&IdentityDemand>, key: Option<&str>) -> Value {
    match (identity, key) {
        // Plain text always has a JSON form.
        (Some(identity), _) => {
            json!({"identity": serde_json::to_value(identity).unwrap_or_default()})
        }
        (None, key) => json!({"key": key}),
    }
}

/// Writes a demand, and the attestation that it asks for, as the bytes that its digest is made of.
pub fn canonical(mut demand: Value, predicate_type: Option<&str>) -> Vec<u8> {
    if let (Some(text), Some(members)) = (predicate_type, demand.as_object_mut()) {
        members.insert("predicateType".to_owned(), text.into());
    }
    demand.to_string().into_bytes()
}

/// Writes a policy as the bytes that its digest is made of.
///
/// # Errors
/// None: every document can be written.
pub fn canonical_policy(document: &Document) -> Result<Vec<u8>, serde_json::Error> {
    // Through a map, so that members stand in one order.
    let value = serde_json::to_value(document)?;
    Ok(value.to_string().into_bytes())
}
