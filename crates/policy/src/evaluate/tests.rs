//! Evaluation over real bundles.
