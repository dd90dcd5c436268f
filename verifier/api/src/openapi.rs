//! The OpenAPI document, made from the handlers.

use crate::{api, page};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use std::sync::OnceLock;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sigstead verifier",
        description = "Verifies Sigstore bundles and says why. Not verified is HTTP 200 with `verified: false` and reasons; \
            what cannot be read is 400 and names the field. No socket is opened to answer, but for `verify/image`."
    ),
    paths(
        api::verify,
        api::verify_batch,
        api::verify_image,
        api::trusted_roots,
        api::policies,
        api::policies_check,
        api::policies_suggest,
        api::openapi_json,
        page::html,
        page::script,
    ),
    tags(
        (name = "verify", description = "Questions and verdicts"),
        (name = "trust", description = "Trusted roots"),
        (name = "policies", description = "Policies"),
        (name = "description", description = "This API, for programs and people"),
    )
)]
struct Document;

/// The OpenAPI document of the verifier, JSON.
pub fn openapi() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    // Only maps with keys that are no text could fail to serialize; there are none.
    TEXT.get_or_init(|| Document::openapi().to_pretty_json().unwrap_or_default())
}

pub(crate) fn document() -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, openapi()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_is_in_the_document_and_every_path_of_it_is_served() {
        let json: serde_json::Value = serde_json::from_str(openapi()).unwrap();
        let mut described = BTreeSet::new();
        for (path, operations) in json["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys() {
                described.insert((path.clone(), method.clone()));
            }
        }
        let served = api::routes().into_iter();
        let served = served.map(|(path, method, _)| (path.to_owned(), method.to_owned()));
        assert_eq!(described, served.collect());
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let json: serde_json::Value = serde_json::from_str(openapi()).unwrap();
        let text = openapi();
        let references = text.split("\"#").skip(1);
        let mut seen = 0;
        for reference in references.filter_map(|rest| rest.split('"').next()) {
            assert!(json.pointer(reference).is_some(), "{reference}");
            seen += 1;
        }
        assert!(seen > 5, "{text}");
    }
}
