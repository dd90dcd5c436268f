//! One image, opened.

use crate::found::{Found, Place};
use crate::manifest::Manifest;
use crate::store::Store;
use crate::{Access, ImageDigest, OciError, Source, attach, find, legacy};
use formats::bundle::Bundle;
use std::sync::Arc;

/// An image whose digest is settled. Signing goes in two steps over it, so that a tag that moves meanwhile changes nothing.
#[derive(Clone)]
pub struct Image {
    store: Arc<Store>,
    manifest: Manifest,
}

impl Image {
    /// Reads the manifest that is named. Asks the network only for a registry's.
    pub async fn open(source: &Source, access: &Access) -> Result<Self, OciError> {
        let (store, manifest) = Store::open(source, access).await?;
        Ok(Self {
            store: Arc::new(store),
            manifest,
        })
    }

    /// The digest of the bytes that came.
    pub fn digest(&self) -> ImageDigest {
        self.manifest.digest
    }

    /// OCI's or Docker's, image or index.
    pub fn media_type(&self) -> &str {
        &self.manifest.media_type
    }

    /// Registry and repository; `None` for an image in a layout.
    pub fn repository(&self) -> Option<String> {
        self.store.repository()
    }

    /// The images below an index, each once; none below an image.
    pub async fn children(&self) -> Result<Vec<Self>, OciError> {
        let children = find::children(&self.store, &self.manifest).await?;
        let opened = children.into_iter().map(|manifest| Self {
            store: Arc::clone(&self.store),
            manifest,
        });
        Ok(opened.collect())
    }

    /// See [`crate::find`].
    pub async fn find(&self, recursive: bool) -> Result<Found, OciError> {
        find::find(&self.store, &self.manifest, recursive).await
    }

    /// Tries whether something can be attached, before anything is signed: what is in a log stays there, and a tar or a
    /// registry without permission would have it logged for nothing.
    pub async fn check_writable(&self) -> Result<(), OciError> {
        attach::rehearse(&self.store).await
    }

    /// Attaches a bundle as cosign 3 does: a manifest that refers to the image. Where the registry does not list such
    /// manifests, the index under the tag `sha256-…` is extended. `created` is an RFC 3339 time.
    pub async fn attach(&self, bundle: &Bundle, created: &str) -> Result<Place, OciError> {
        attach::bundle(&self.store, &self.manifest, bundle, created).await
    }

    /// What a legacy signature of this image covers.
    pub fn legacy_payload(&self) -> Vec<u8> {
        legacy::payload(&self.repository().unwrap_or_default(), self.digest())
    }

    /// Attaches a bundle as cosign 2 does: a layer under the tag `.sig` (message signature over `payload`) or `.att`
    /// (envelope), beside the layers of others. It needs an entry of Rekor v1. `chain` are the CA's certificates in PEM.
    pub async fn attach_legacy(
        &self,
        bundle: &Bundle,
        payload: &[u8],
        chain: Option<&str>,
    ) -> Result<Place, OciError> {
        let layer = legacy::write(bundle, payload, chain)?;
        attach::layer(&self.store, &self.manifest, &layer).await
    }
}
