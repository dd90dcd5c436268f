//! Images in registries and OCI layouts, and the signatures attached to them.
