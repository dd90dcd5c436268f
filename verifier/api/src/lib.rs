//! REST API of the verifier: bundles in, verdicts with reasons out.
//!
//! ```text
//! POST /api/v1/verify            one question, as JSON or as a form with a streamed artifact
//! POST /api/v1/verify/batch      up to 100 questions, each with its own outcome
//! POST /api/v1/verify/image      an image in a registry that the operator allows
//! POST /api/v1/policies/check    what is weak in a policy
//! POST /api/v1/policies/suggest  the narrowest policy for a bundle
//! GET  /api/v1/trusted-roots     the roots to ask by
//! GET  /api/v1/policies          the policies to ask by
//! GET  /api/v1/openapi.json      all of this, for programs
//! GET  /ui/verifier              all of this, for people
//! ```
//!
//! Not verified is HTTP 200 with `verified: false` and reasons: the material was well-formed and does not hold. What
//! cannot be read is 400 and names the field; what is too large is 413; 503 with `Retry-After` means that every core has
//! enough to do. No socket is opened to answer, but for
//! `verify/image`, and there only to registries that the operator allows.
//!
//! Verification is work for cores: as many run at once as there are, a bounded number waits. Verdicts are kept by what
//! was asked, the content of the trusted root included, until the first moment at which they could change.
//!
//! ```no_run
//! # fn example(roots: trust::Roots) -> Result<(), verifier_api::BuildError> {
//! let deps = verifier_api::Deps {
//!     roots,
//!     policies: verifier_api::Policies::default(),
//!     clock: clock::Clock::system(),
//!     registry: prometheus::Registry::new(),
//!     summarizer: None,
//! };
//! let verifier = verifier_api::build(verifier_api::Config::default(), deps)?;
//! let router = verifier.router(); // for service::listen::serve
//! # Ok(())
//! # }
//! ```

mod advice;
mod api;
mod cache;
mod canonical;
mod engine;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod limits;
mod metrics;
mod openapi;
mod page;
mod policies;
mod pool;
mod question;
mod running;
mod subject;
mod upload;
mod vsa;
mod wire;

pub use canonical::{canonical, canonical_policy, demand_value};
pub use error::ErrorBody;
pub use image::{Registries, image_bundles};
pub use openapi::openapi;
pub use policies::{Policies, PoliciesError};
pub use running::{BuildError, Config, Deps, Verifier, build};
pub use vsa::{PREDICATE_TYPE, Summarizer, Summary, VsaError, artifact_uri, digest, image_uri};
pub use wire::{
    ArtifactRef, BatchAnswer, BatchRequest, BatchResult, CheckAnswer, CheckRequest, Finding,
    IdentityDemand, ImageAnswer, ImageChild, ImageRequest, ImageSignature, PoliciesAnswer,
    PolicyEntry, Reason, RootStatus, RootsAnswer, SuggestAnswer, SuggestRequest, UsedPolicy,
    UsedRoot, VerifyAnswer, VerifyRequest,
};
