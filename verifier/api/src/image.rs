//! Images: what is attached to them, fetched from a registry that the operator allows.
//!
//! This is the one operation that opens a socket, and the caller says where to: the list of registries is what keeps it
//! from reaching into the operator's network. Nothing is shown to a registry, no stored credentials either: a caller
//! would read with the operator's rights.

use crate::cache::Detail;
use crate::canonical::{canonical, demand_value};
use crate::engine::evaluate;
use crate::error::{ApiError, quoted};
use crate::limits;
use crate::policies::Policies;
use crate::question::{Asked, Demand, DemandParts, demand};
use crate::running::show;
use crate::vsa::digest;
use crate::wire::{ImageAnswer, ImageChild, ImageRequest, ImageSignature, Reason};
use http::StatusCode;
use oci::{Access, Credentials, Found, FoundSignature, Kind, OciError, Source};
use policy::Candidate;
use serde_json::value::{RawValue, to_raw_value};
use std::net::IpAddr;
use time::OffsetDateTime;
use trust::Roots;

/// Which registries may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registries {
    /// These, each as it stands in references: host, or host and port. None of them: none at all.
    Only(Vec<String>),
    /// Those on this machine.
    Loopback,
}

impl Default for Registries {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl Registries {
    fn allow(&self, registry: &str) -> bool {
        match self {
            Self::Only(list) => list.iter().any(|one| one == registry),
            Self::Loopback => is_loopback(registry),
        }
    }
}

fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => registry.split(':').next(),
    };
    let host = host.unwrap_or_default();
    // A name may lead anywhere; this one is the machine's own by RFC 6761.
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A question about an image, read and allowed.
pub(crate) struct ImageQuestion {
    pub(crate) source: Source,
    pub(crate) demand: Demand,
    wanted: Kind,
    recursive: bool,
}

/// A verdict about an image, and what a summary of it says.
pub(crate) struct ImageVerdict {
    pub(crate) answer: ImageAnswer,
    pub(crate) sha256: [u8; 32],
    pub(crate) at: OffsetDateTime,
    pub(crate) bundles: Vec<[u8; 32]>,
}

impl ImageQuestion {
    /// Reads a request. No socket is opened for a registry that is not allowed.
    pub(crate) fn read(
        request: &ImageRequest,
        registries: &Registries,
        (roots, policies): (&Roots, &Policies),
    ) -> Result<Self, ApiError> {
        let cure = "write REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:…";
        let source = Source::parse(&request.image)
            .map_err(|error| ApiError::unreadable("image", quoted(&error.to_string()), cure))?;
        let Source::Registry(reference) = &source else {
            // A layout would be a path on this machine.
            let message = "it is no image in a registry";
            return Err(ApiError::unreadable("image", message, cure));
        };
        let registry = reference.registry();
        if !registries.allow(registry) {
            let message = format!("the registry {} is not allowed here", quoted(registry));
            let cure = "have the operator add it to verifier.registries";
            let error = ApiError::new(StatusCode::FORBIDDEN, "not-allowed", message, cure);
            return Err(error.at("image"));
        }
        let parts = DemandParts {
            identity: request.identity.as_ref(),
            key: request.key.as_deref(),
            policy: request.policy.as_deref(),
            policy_document: request.policy_document.as_deref(),
            trusted_root: request.trusted_root.as_deref(),
        };
        let mut demand = demand(&parts, roots, policies)?;
        if let (Asked::Policy(_), Some(_)) = (&demand.asked, &request.predicate_type) {
            let cure = "leave it out: the policy says which attestations it wants";
            let message = "it stands beside a policy";
            return Err(ApiError::unreadable("predicateType", message, cure));
        }
        let wanted = match request.predicate_type.clone() {
            Some(predicate_type) => {
                let plain = demand_value(request.identity.as_ref(), request.key.as_deref());
                demand.canonical = canonical(plain, Some(&predicate_type));
                Kind::Attestation { predicate_type }
            }
            None => Kind::Signature,
        };
        Ok(Self {
            source,
            demand,
            wanted,
            recursive: request.recursive,
        })
    }

    /// Fetches what is attached to the image.
    pub(crate) async fn fetch(&self) -> Result<Found, ApiError> {
        let (source, recursive) = (self.source.clone(), self.recursive);
        let runtime = tokio::runtime::Handle::current();
        // On a thread of its own: the future of `find` is not known to be `Send`. There are as many as images at once, and each
        // ends with its time.
        let task = tokio::task::spawn_blocking(move || {
            let access = Access {
                credentials: Credentials::Anonymous,
                ..Access::default()
            };
            runtime.block_on(async {
                let found = oci::find(&source, &access, recursive);
                tokio::time::timeout(limits::FETCH_TIME, found).await
            })
        });
        match task.await {
            Ok(Ok(found)) => found.map_err(fetch_error),
            Ok(Err(_)) => Err(registry_error("the registry did not answer in time")),
            Err(error) => {
                tracing::error!(%error, "an image was not fetched");
                Err(ApiError::internal())
            }
        }
    }

    /// Judges what was fetched. Work for a core.
    pub(crate) fn judge(
        &self,
        found: &Found,
        now: OffsetDateTime,
    ) -> Result<ImageVerdict, ApiError> {
        let all = std::iter::once(found).chain(&found.children);
        let count: usize = all.map(|one| one.signatures.len()).sum();
        if count > limits::IMAGE_SIGNATURES {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let most = limits::IMAGE_SIGNATURES;
            let message = format!("{count} signatures are attached to it: at most {most}");
            let cure = "ask without recursive, for one image after the other";
            return Err(ApiError::new(status, "too-large", message, cure).at("image"));
        }
        let judged = self.judge_one(found, now)?;
        let children = found.children.iter().map(|child| {
            let judged = self.judge_one(child, now)?;
            Ok(ImageChild {
                verified: judged.verified,
                digest: child.digest.to_string(),
                media_type: child.media_type.clone(),
                reasons: judged.reasons,
                signatures: judged.signatures,
                evaluation: judged.evaluation,
            })
        });
        let children = children.collect::<Result<Vec<ImageChild>, ApiError>>()?;
        let mut reasons = judged.reasons;
        for child in children.iter().filter(|child| !child.verified) {
            reasons.push(Reason {
                step: child.digest.clone(),
                cause: "this image below it is not verified".to_owned(),
                cure: "see its reasons among the children".to_owned(),
            });
        }
        let answer = ImageAnswer {
            verified: judged.verified && children.iter().all(|child| child.verified),
            digest: found.digest.to_string(),
            media_type: found.media_type.clone(),
            reasons,
            verified_at: show(now),
            trusted_roots: self.demand.used_roots(),
            policy: match &self.demand.asked {
                Asked::Policy(named) => Some(named.used()),
                Asked::Signer(_) => None,
            },
            signatures: judged.signatures,
            evaluation: judged.evaluation,
            children,
            vsa: None,
        };
        Ok(ImageVerdict {
            answer,
            sha256: found.digest.0,
            at: now,
            bundles: image_bundles(found),
        })
    }

    fn judge_one(&self, found: &Found, now: OffsetDateTime) -> Result<Judged, ApiError> {
        match &self.demand.asked {
            Asked::Signer(policy) => self.by_signer(policy, found, now),
            Asked::Policy(named) => {
                let candidates: Vec<Candidate<'_>> = found
                    .signatures
                    .iter()
                    .filter_map(|one| {
                        Some(Candidate {
                            place: one.place.to_string(),
                            bundle: one.bundle.as_ref().ok()?,
                            artifact: one.artifact.as_artifact(),
                        })
                    })
                    .collect();
                let verdict = evaluate(&self.demand, named, &candidates, now)?;
                let plain = |one: &FoundSignature| signature(one, None);
                Ok(Judged {
                    verified: verdict.verified,
                    reasons: verdict.reasons,
                    signatures: found.signatures.iter().map(plain).collect(),
                    evaluation: match verdict.detail {
                        Detail::Evaluation(json) => Some(json),
                        Detail::Report(_) => None,
                    },
                })
            }
        }
    }

    /// One signature of the wanted kind that holds is enough; every one is reported.
    fn by_signer(
        &self,
        policy: &verifier::Policy,
        found: &Found,
        now: OffsetDateTime,
    ) -> Result<Judged, ApiError> {
        let named = self.demand.roots.first().ok_or_else(ApiError::internal)?;
        let mut judged = Judged::default();
        for one in &found.signatures {
            let report = one.bundle.as_ref().ok().map(|bundle| {
                let artifact = one.artifact.as_artifact();
                verifier::verify(bundle, &artifact, named.root.material(), policy, now)
            });
            if let Some(report) = report.as_ref().filter(|_| one.kind == self.wanted) {
                judged.verified |= report.verified;
                if let Some(step) = report.first_failure() {
                    judged.reasons.push(Reason {
                        step: one.place.to_string(),
                        cause: step.cause.clone().unwrap_or_default(),
                        cure: step.cure.clone().unwrap_or_default(),
                    });
                }
            }
            let json = report.as_ref().map(to_raw_value).transpose();
            let json = json.map_err(|_| ApiError::internal())?;
            judged.signatures.push(signature(one, json));
        }
        if judged.verified {
            judged.reasons.clear();
        } else if judged.reasons.is_empty() {
            judged.reasons.push(Reason {
                step: "image".to_owned(),
                cause: "nothing of the wanted kind is attached to it".to_owned(),
                cure: format!("sign or attest it; looked at: {}", found.looked.join(", ")),
            });
        }
        Ok(judged)
    }
}

/// What was found out about one image. Not verified, before anything is judged.
#[derive(Default)]
struct Judged {
    verified: bool,
    reasons: Vec<Reason>,
    signatures: Vec<ImageSignature>,
    evaluation: Option<Box<RawValue>>,
}

/// The bundles about an image, and the images below it, that could be read: as summaries name them, by SHA-256 of their
/// JSON as we write it, because legacy signatures have no bundle of their own.
pub fn image_bundles(found: &Found) -> Vec<[u8; 32]> {
    let all = std::iter::once(found).chain(&found.children);
    let signatures = all.flat_map(|one| &one.signatures);
    let bundles = signatures.filter_map(|one| one.bundle.as_ref().ok());
    bundles
        .map(|bundle| digest(bundle.to_json().as_bytes()))
        .collect()
}

fn signature(found: &FoundSignature, report: Option<Box<RawValue>>) -> ImageSignature {
    ImageSignature {
        place: found.place.to_string(),
        kind: found.kind.clone(),
        unreadable: found.bundle.as_ref().err().map(|why| quoted(why)),
        report,
    }
}

fn fetch_error(error: OciError) -> ApiError {
    let text = quoted(&error.to_string());
    match error {
        OciError::TooLarge { .. } | OciError::TooMany { .. } => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            ApiError::new(status, "too-large", text, "verify the image elsewhere").at("image")
        }
        OciError::Unreachable { .. }
        | OciError::Unauthorized { .. }
        | OciError::Refused { .. }
        | OciError::Answer { .. }
        | OciError::Credentials { .. }
        | OciError::HttpClient(_) => registry_error(text),
        _ => ApiError::unreadable("image", text, "check the name and what is stored under it"),
    }
}

/// 502: the registry, not the request.
fn registry_error(text: impl Into<String>) -> ApiError {
    let cure = "try again, or send the bundles to /api/v1/verify";
    ApiError::new(StatusCode::BAD_GATEWAY, "registry", text, cure).at("image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_registries_are_asked_and_by_default_none() {
        let listed = Registries::Only(vec!["registry.example.com:5000".to_owned()]);
        assert!(listed.allow("registry.example.com:5000"));
        for registry in ["registry.example.com", "example.com", "127.0.0.1:5000", ""] {
            assert!(!listed.allow(registry), "{registry}");
            assert!(!Registries::default().allow(registry), "{registry}");
        }
    }

    #[test]
    fn loopback_is_an_address_and_not_a_name_that_looks_like_one() {
        for registry in [
            "localhost:5000",
            "127.0.0.1",
            "127.8.0.1:5000",
            "[::1]:5000",
        ] {
            assert!(Registries::Loopback.allow(registry), "{registry}");
        }
        for registry in [
            "127.0.0.1.example.com",
            "localhost.example.com",
            "10.0.0.1:5000",
            "0.0.0.0",
            "[fe80::1]",
            "",
        ] {
            assert!(!Registries::Loopback.allow(registry), "{registry}");
        }
    }
}
