//! Path cleaning before routing.
//!
//! Base URLs in a signing config may or may not end in `/`, so clients send `//api/v2/...`; and
//! sigstore-python asks for `/api/v1/log/entries/retrieve/`. Both mean the clean path.

use axum::extract::Request;
use http::Uri;
use http::uri::PathAndQuery;

/// Collapses doubled slashes and drops a trailing one. The query is kept.
pub fn clean(mut request: Request) -> Request {
    if let Some(uri) = cleaned(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn cleaned(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let messy = path.contains("//") || (path.len() > 1 && path.ends_with('/'));
    if !messy {
        return None;
    }
    let mut clean = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        clean.push('/');
        clean.push_str(segment);
    }
    if clean.is_empty() {
        clean.push('/');
    }
    if let Some(query) = uri.query() {
        clean.push('?');
        clean.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(clean).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clean_text(uri: &str) -> String {
        let uri: Uri = uri.parse().unwrap();
        cleaned(&uri).unwrap_or(uri).to_string()
    }

    #[test]
    fn doubled_and_trailing_slashes_go_and_the_query_stays() {
        assert_eq!(clean_text("//api/v2/signingCert"), "/api/v2/signingCert");
        assert_eq!(
            clean_text("/api/v1/log/entries/retrieve/"),
            "/api/v1/log/entries/retrieve"
        );
        assert_eq!(
            clean_text("/api/v1/log/entries/?logIndex=3"),
            "/api/v1/log/entries?logIndex=3"
        );
    }

    #[test]
    fn a_clean_path_is_left_alone() {
        assert_eq!(clean_text("/"), "/");
        assert_eq!(clean_text("/tile/0/x001/067"), "/tile/0/x001/067");
        assert_eq!(clean_text("/a?b=//c/"), "/a?b=//c/");
    }
}
