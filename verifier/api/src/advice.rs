//! Advice on policies: what is weak in one, and the narrowest one for a bundle.

use crate::engine::read_bundle;
use crate::error::ApiError;
use crate::policies::parse_text;
use crate::question::{checked_key, named_root};
use crate::subject::Subject;
use crate::wire::{CheckAnswer, CheckRequest, Finding, SuggestAnswer, SuggestRequest};
use policy::{Candidate, PolicyError, Severity, SuggestError};
use serde_json::value::to_raw_value;
use time::OffsetDateTime;
use trust::{DEFAULT, Roots};

/// Says what is wrong with a document, or weak in it.
pub(crate) fn check(request: &CheckRequest) -> Result<CheckAnswer, ApiError> {
    let fault = |path: String, cause: String, cure: String| Finding {
        severity: Severity::Error,
        path,
        cause,
        cure,
    };
    let document = match parse_text(&request.policy_document) {
        Ok(document) => document,
        Err(error @ PolicyError::TooLarge { limit, .. }) => {
            tracing::debug!(%error, "a policy was too large");
            return Err(ApiError::too_large("policyDocument", limit));
        }
        Err(error @ PolicyError::Syntax { .. }) => {
            let cure = "give a policy as a JSON object, or its YAML as text";
            return Err(ApiError::unreadable(
                "policyDocument",
                error.to_string(),
                cure,
            ));
        }
        Err(PolicyError::Invalid { problems }) => {
            let problems = problems.into_iter();
            return Ok(CheckAnswer {
                valid: false,
                problems: problems
                    .map(|one| fault(one.path, one.cause, one.cure))
                    .collect(),
                findings: Vec::new(),
            });
        }
    };
    let findings = policy::check(&document).into_iter().map(|one| Finding {
        severity: one.severity,
        path: one.path,
        cause: one.cause,
        cure: one.cure,
    });
    Ok(CheckAnswer {
        valid: true,
        problems: Vec::new(),
        findings: findings.collect(),
    })
}

/// Writes the narrowest policy that a bundle satisfies.
pub(crate) fn suggest(
    request: SuggestRequest,
    roots: &Roots,
    now: OffsetDateTime,
) -> Result<SuggestAnswer, ApiError> {
    let named = named_root("trustedRoot", request.trusted_root.as_deref(), roots)?;
    let key = request.key.as_deref().map(checked_key).transpose()?;
    let subject = Subject::read(request.artifact)?;
    let bundle = read_bundle(request.bundle.get().as_bytes())?;
    let candidate = Candidate {
        place: "request".to_owned(),
        bundle: &bundle,
        artifact: subject.as_artifact(),
    };
    // The default root has no name in a policy: it is the one of whoever evaluates it.
    let name = match named.name.as_str() {
        DEFAULT => "",
        name => name,
    };
    let root = (name, named.root.material());
    match policy::suggest(&candidate, root, key.as_deref(), now) {
        Ok(suggestion) => Ok(SuggestAnswer {
            verified: true,
            reason: None,
            yaml: Some(suggestion.yaml),
            policy_document: Some(
                to_raw_value(&suggestion.document).map_err(|_| ApiError::internal())?,
            ),
        }),
        Err(error @ SuggestError::NoKey) => Err(ApiError::unreadable(
            "key",
            error.to_string(),
            "give the public key in PEM",
        )),
        Err(error) => Ok(SuggestAnswer {
            verified: !matches!(error, SuggestError::NotVerified { .. }),
            reason: Some(error.to_string()),
            yaml: None,
            policy_document: None,
        }),
    }
}
