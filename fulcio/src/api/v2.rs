//! `/api/v2/`: the API of today's clients.

use super::{body, issue, wire};
use crate::issue::Ca;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use http::HeaderMap;
use oidc::config::{Issuer, Kind};
use pki::cert::Certificate;
use serde::Serialize;
use service::error::GatewayError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SigningCertificate {
    signed_certificate_embedded_sct: EmbeddedSct,
}

#[derive(Serialize)]
struct EmbeddedSct {
    chain: Chain,
}

#[derive(Serialize)]
struct Chain {
    certificates: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct TrustBundle {
    chains: Vec<Chain>,
}

#[derive(Serialize)]
pub(super) struct Configuration {
    issuers: Vec<OidcIssuer>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OidcIssuer {
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wildcard_issuer_url: Option<String>,
    audience: String,
    challenge_claim: String,
    spiffe_trust_domain: String,
    issuer_type: String,
    subject_domain: String,
    skip_email_verification: bool,
}

/// POST `/api/v2/signingCert`
pub(super) async fn signing_cert(
    State(ca): State<Ca>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Json<SigningCertificate>, GatewayError> {
    let body = body::read(&ca.large_bodies, sent).await?;
    let request = wire::v2(&headers, &body.bytes)?;
    let issued = issue(&ca, &request).await?;
    let chain = Chain {
        certificates: issued.pem_chain(),
    };
    Ok(Json(SigningCertificate {
        signed_certificate_embedded_sct: EmbeddedSct { chain },
    }))
}

/// GET `/api/v2/trustBundle`: every chain that is valid now, newest first. These PEM texts keep their trailing newline.
pub(super) async fn trust_bundle(State(ca): State<Ca>) -> Json<TrustBundle> {
    let chain = |chain: &Vec<Certificate>| Chain {
        certificates: chain.iter().map(Certificate::to_pem).collect(),
    };
    Json(TrustBundle {
        chains: ca.current.bundle().iter().map(chain).collect(),
    })
}

/// GET `/api/v2/configuration`
pub(super) async fn configuration(State(ca): State<Ca>) -> Json<Configuration> {
    let config = ca.verifier.config();
    let exact = config
        .issuers
        .values()
        .map(|issuer| describe(issuer, false));
    let wildcards = config
        .wildcards
        .iter()
        .map(|(_, issuer)| describe(issuer, true));
    Json(Configuration {
        issuers: exact.chain(wildcards).collect(),
    })
}

fn describe(issuer: &Issuer, wildcard: bool) -> OidcIssuer {
    let (mut trust_domain, mut subject_domain, mut skip) = ("", "", false);
    match &issuer.kind {
        Kind::Spiffe {
            trust_domain: domain,
        } => trust_domain = domain,
        Kind::Uri {
            subject_domain: domain,
        }
        | Kind::Username {
            subject_domain: domain,
        } => subject_domain = domain,
        Kind::Email {
            skip_verification, ..
        } => skip = *skip_verification,
        Kind::Kubernetes | Kind::Chainguard | Kind::Ci { .. } => {}
    }
    let challenge = match (issuer.challenge_claim.as_str(), &issuer.kind) {
        ("", Kind::Email { .. }) => "email",
        ("", _) => "sub",
        (configured, _) => configured,
    };
    OidcIssuer {
        issuer_url: (!wildcard).then(|| issuer.url.clone()),
        wildcard_issuer_url: wildcard.then(|| issuer.url.clone()),
        audience: issuer.client_id.clone(),
        challenge_claim: challenge.to_owned(),
        spiffe_trust_domain: trust_domain.to_owned(),
        issuer_type: issuer.kind.name().to_owned(),
        subject_domain: subject_domain.to_owned(),
        skip_email_verification: skip,
    }
}
