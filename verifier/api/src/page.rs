//! A page for people: the operations, and a form to try one. It loads nothing from elsewhere.

use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// Nothing but this service's own script, style and answers: what is pasted into the form stays here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Shows the operations of this API and a form to verify a bundle.
#[utoipa::path(
    get,
    path = "/ui/verifier",
    tag = "description",
    responses((status = 200, description = "The page", body = String, content_type = "text/html"))
)]
pub(crate) async fn html() -> Response {
    file("text/html; charset=utf-8", include_str!("page.html"))
}

/// The script of that page.
#[utoipa::path(
    get,
    path = "/ui/verifier.js",
    tag = "description",
    responses((status = 200, description = "The script", body = String, content_type = "text/javascript"))
)]
pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", include_str!("page.js"))
}

fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_writes_no_markup() {
        let (html, script) = (include_str!("page.html"), include_str!("page.js"));
        for text in [html, script] {
            assert!(!text.contains("http://") && !text.contains("https://"));
        }
        assert!(!script.contains("innerHTML") && !script.contains("eval"));
        assert!(!html.contains("onclick") && !html.contains("<script>"));
    }
}
