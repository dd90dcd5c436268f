//! REST API of the verifier.
