//! The one table from refusals to what clients see (spec 1.5).
//!
//! Clients and scripts know upstream's texts, so each message starts with them; after a colon comes
//! the reason, which upstream keeps to its log.

use crate::issue::IssueError;
use crate::proof::{go_hash, go_type};
use oidc::TokenError;
use pki::csr::CsrError;
use pki::key::KeyKind;
use service::error::{Code, GatewayError};

const TOKEN: &str = "There was an error processing the identity token";
const CSR: &str = "The certificate signing request could not be parsed";
const KEY: &str = "The public key supplied in the request could not be parsed";
const WEAK: &str = "The public key supplied in the request is insecure";
const PROOF: &str = "The signature supplied in the request could not be verified";
const BACKEND: &str = "error communicating with CA backend";
const CTL: &str = "Error entering certificate in CTL";

/// Maps a refusal. All failures of token and proof are 400, never 401 or 403; limits are 429.
pub(super) fn to_gateway(error: &IssueError) -> GatewayError {
    let bad = |text: String| GatewayError::new(Code::InvalidArgument, text);
    match error {
        IssueError::Busy => GatewayError::new(
            Code::ResourceExhausted,
            "too many requests at once; try again in a second",
        ),
        IssueError::Token(e @ TokenError::TooManyIssuers { .. }) => {
            GatewayError::new(Code::ResourceExhausted, format!("{TOKEN}: {}", e.public()))
        }
        IssueError::Token(e) => bad(format!("{TOKEN}: {}", e.public())),
        IssueError::Csr(CsrError::UnknownAlgorithm(name)) => {
            bad(format!("unrecognized signature algorithm: {name}"))
        }
        IssueError::Csr(CsrError::Signature | CsrError::AlgorithmMismatch) => bad(format!(
            "{PROOF}: the request's own signature was not made with its key"
        )),
        IssueError::Csr(e) => bad(format!(
            "{CSR}: {e}; send base64 of a PEM CERTIFICATE REQUEST"
        )),
        IssueError::KeyMissing => bad(format!(
            "{KEY}: it is missing; send publicKeyRequest.publicKey.content or certificateSigningRequest"
        )),
        IssueError::Key(e) => bad(format!("{KEY}: {e}")),
        IssueError::KeyWeak(e) => bad(format!("{WEAK}: {e}")),
        IssueError::Proof { names, kind } => bad(format!("{PROOF}: {}", proof_hint(names, *kind))),
        IssueError::NotPermitted { kind, have, want } => bad(format!(
            "signing algorithm not permitted: {}, {}: this key must sign with {}",
            go_type(*kind),
            go_hash(*have),
            go_hash(*want)
        )),
        IssueError::Embed(e) => bad(e.to_string()),
        // What failed inside is for the log; that it is the CA and not the request is for the client.
        IssueError::Authority(crate::AuthorityError::Expiring { .. }) => GatewayError::new(
            Code::Internal,
            format!(
                "{BACKEND}: the CA certificate is about to expire; ask the operator for a new one, and for the trusted root with it"
            ),
        ),
        IssueError::Authority(_) => GatewayError::new(Code::Internal, BACKEND),
        IssueError::Ct(ct::CtError::Busy | ct::CtError::Frozen | ct::CtError::Unavailable(_)) => {
            GatewayError::new(Code::Unavailable, CTL)
        }
        IssueError::Ct(_) => GatewayError::new(Code::Internal, CTL),
    }
}

/// What had to be signed. The names are the caller's own claims.
fn proof_hint(names: &[String], kind: KeyKind) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("{:?}", name.chars().take(120).collect::<String>()))
        .collect();
    let how = match kind {
        KeyKind::EcdsaP256 => "ECDSA with SHA-256, ASN.1 DER",
        KeyKind::EcdsaP384 => "ECDSA with SHA-384, ASN.1 DER",
        KeyKind::EcdsaP521 => "ECDSA with SHA-512, ASN.1 DER",
        KeyKind::Rsa { .. } => "RSA PKCS#1 v1.5 with SHA-256",
        KeyKind::Ed25519 => "Ed25519",
    };
    format!(
        "proofOfPossession must sign {} with the private key ({how})",
        names.join(" or ")
    )
}
