//! Fulcio's extensions 1.3.6.1.4.1.57264.1.*: build and read.
#![allow(clippy::todo, missing_docs)]
use crate::cert::{Certificate, San};

/// What a token's principal becomes in a certificate. Empty strings are not embedded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FulcioExtensions {
    pub issuer: String,
    pub github_workflow_trigger: String, pub github_workflow_sha: String, pub github_workflow_name: String,
    pub github_workflow_repository: String, pub github_workflow_ref: String,
    pub build_signer_uri: String, pub build_signer_digest: String, pub runner_environment: String,
    pub source_repository_uri: String, pub source_repository_digest: String, pub source_repository_ref: String,
    pub source_repository_identifier: String, pub source_repository_owner_uri: String, pub source_repository_owner_identifier: String,
    pub build_config_uri: String, pub build_config_digest: String, pub build_trigger: String, pub run_invocation_uri: String,
    pub source_repository_visibility_at_signing: String, pub deployment_environment: String,
    pub subject: String,
}
impl FulcioExtensions {
    /// Reads them from a certificate (.8 over .1).
    pub fn read(cert: &Certificate) -> Self { todo!() }
    /// (OID suffix, whole Extension DER), ascending: 1.1, 1.2 … 1.24.
    pub fn to_der(&self) -> Vec<(u8, Vec<u8>)> { todo!() }
    /// Sets by Fulcio config name in kebab case, e.g. `build-signer-uri`; false when unknown.
    pub fn set(&mut self, kebab_name: &str, value: String) -> bool { todo!() }
}
/// GeneralNames DER of one SAN (spec/fulcio.md 4.4).
pub fn san_der(san: &San) -> Result<Vec<u8>, crate::cert::CertError> { todo!() }
