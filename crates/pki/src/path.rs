//! Certificate path checks: leaf → intermediates → trusted root, at a given time, with a work budget.
#![allow(clippy::todo, missing_docs)]
use crate::cert::Certificate;
use time::OffsetDateTime;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage { CodeSigning, TimeStamping }
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError { #[error("TODO")] Todo }
/// Finds and checks a path from `leaf` through `intermediates` to a certificate of `anchors`, every certificate
/// valid at `at`, CA flags, path length, KU and EKU chaining for `usage`. Returns the path, leaf first, anchor last.
pub fn check_path<'a>(leaf: &'a Certificate, intermediates: &[&'a Certificate], anchors: &[&'a Certificate], usage: Usage, at: OffsetDateTime) -> Result<Vec<&'a Certificate>, PathError> { todo!() }
/// Fulcio's start-up check of a CA chain (leaf CA first, root last): CA flags, codeSigning EKU on the intermediate, signatures.
pub fn check_ca_chain(chain: &[Certificate], usage: Usage, at: OffsetDateTime) -> Result<(), PathError> { todo!() }
