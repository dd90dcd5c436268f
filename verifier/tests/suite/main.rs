//! The engine against public conformance bundles, another implementation, mutations and hostile input.

mod cases;
mod conformance;
mod differential;
mod hostile;
mod mutants;
mod mutation;
mod policy;
mod schema;
mod trust;
mod witnesses;
