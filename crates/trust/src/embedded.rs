//! The public instance's trusted root, as it was when this program was built.

use crate::root::{Root, RootError};

/// The JSON, as the crate `sigstore-trust-root` carries it: it is updated with that crate.
pub const PUBLIC_GOOD: &[u8] = sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes();

/// Parses the embedded root.
///
/// # Errors
/// None in a build whose tests pass.
pub fn embedded() -> Result<Root, RootError> {
    Root::parse(PUBLIC_GOOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_root_has_logs_and_authorities_of_every_kind() {
        let root = embedded().unwrap();
        let counts = root.counts();
        assert!(counts.transparency_logs >= 2 && counts.ct_logs >= 2);
        assert!(counts.authorities >= 2 && counts.timestamp_authorities >= 1);
    }
}
