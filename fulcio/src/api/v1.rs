//! `/api/v1/`: the legacy API (old cosign, many scripts).

use super::{body, issue, wire};
use crate::issue::Ca;
use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use service::error::GatewayError;

const PEM: [(http::HeaderName, &str); 1] = [(CONTENT_TYPE, "application/pem-certificate-chain")];

/// POST `/api/v1/signingCert`. Old clients insist on 201. No `SCT` header: the SCT is embedded.
pub(super) async fn signing_cert(
    State(ca): State<Ca>,
    headers: HeaderMap,
    sent: Body,
) -> Result<impl IntoResponse, GatewayError> {
    let body = body::read(&ca.large_bodies, sent).await?;
    let request = wire::v1(&headers, &body.bytes)?;
    let issued = issue(&ca, &request).await?;
    Ok((StatusCode::CREATED, PEM, issued.pem_chain().join("\n")))
}

/// GET `/api/v1/rootCert`: the issuing CA first, the root last.
pub(super) async fn root_cert(State(ca): State<Ca>) -> impl IntoResponse {
    let authority = ca.current.now().authority.clone();
    let chain: String = authority.chain().iter().map(|c| c.to_pem()).collect();
    (PEM, chain.trim_end().to_owned())
}
