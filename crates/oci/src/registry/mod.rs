//! A repository in a registry.
//!
//! `oci-client` speaks to registries: authorization, blobs in both directions. Manifests and listings go through
//! [`wire`] instead, with the tokens that `oci-client` gets, because there they need what it does not do: answers of
//! bounded size, listings of several pages, and the header that tells whether a registry lists referrers by itself.

mod auth;
mod wire;

use crate::access::Access;
use crate::blob::{self, BlobStream};
use crate::manifest::{self, Descriptor, IMAGE_INDEX, Manifest, READABLE};
use crate::{ImageDigest, OciError, limits};
use auth::{Authority, Operation};
use futures::StreamExt;
use oci_client::errors::OciDistributionError;
use oci_client::{Client, Reference};
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, LINK};
use serde_json::{Value, json};
use url::Url;
use wire::{Answer, Request, Wire};

/// Says in the answer to a push that the registry lists the manifest under its subject.
const OCI_SUBJECT: &str = "oci-subject";

/// A repository in a registry; tokens are kept while it lives.
pub(crate) struct Registry {
    wire: Wire,
    client: Client,
    authority: Authority,
    /// Registry and repository; tag or digest only of the image that was named.
    reference: Reference,
    base: Url,
}

/// Descriptors that refer to an image, and whether the registry listed them by itself.
pub(crate) struct Listing {
    pub(crate) descriptors: Vec<Result<Descriptor, OciError>>,
    pub(crate) by_api: bool,
}

impl Registry {
    /// Finds out how the registry is reached and whether it wants credentials; asks nothing about the image.
    pub(crate) async fn open(reference: &Reference, access: &Access) -> Result<Self, OciError> {
        let (wire, front) = Wire::open(reference, access).await?;
        let client = wire::client(reference, access, front.plain)?;
        let authority = Authority::new(reference, access, &front).await?;
        let base = front
            .base
            .join(&format!("/v2/{}/", reference.repository()))
            .map_err(|error| wire.answer_error(error.to_string()))?;
        Ok(Self {
            wire,
            client,
            authority,
            reference: reference.clone(),
            base,
        })
    }

    /// What was named: `NAME:TAG` or `NAME@DIGEST`.
    pub(crate) fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Reads a manifest by tag; `None` when there is none.
    pub(crate) async fn tagged(&self, tag: &str) -> Result<Option<Manifest>, OciError> {
        self.read_manifest(tag, None).await
    }

    /// Reads a manifest by digest, which its bytes must have; `None` when there is none.
    pub(crate) async fn manifest(&self, digest: ImageDigest) -> Result<Option<Manifest>, OciError> {
        self.read_manifest(&digest.to_string(), Some(digest)).await
    }

    async fn read_manifest(
        &self,
        name: &str,
        digest: Option<ImageDigest>,
    ) -> Result<Option<Manifest>, OciError> {
        let what = format!("the manifest {name}");
        let answer = self
            .get(
                &format!("manifests/{name}"),
                &READABLE.join(", "),
                limits::MANIFEST_BYTES,
                &what,
            )
            .await?;
        if answer.status == 404 {
            return Ok(None);
        }
        if answer.status != 200 {
            return Err(self.wire.refused(&answer, format!("to send {what}")));
        }
        let announced = answer
            .header(CONTENT_TYPE.as_str())
            .map(|text| text.split(';').next().unwrap_or(text).trim().to_owned());
        let stated = match digest {
            Some(digest) => Some(digest),
            // A registry that names the content must send that content.
            None => answer
                .header("docker-content-digest")
                .and_then(|text| text.parse().ok()),
        };
        let have = ImageDigest::of(&answer.body);
        if let Some(stated) = stated
            && stated != have
        {
            return Err(OciError::Digest { what, have });
        }
        Manifest::new(answer.body, announced.as_deref()).map(Some)
    }

    /// Lists what refers to an image: by the registry's own list and by the tag that stands for it elsewhere.
    pub(crate) async fn referrers(&self, digest: ImageDigest) -> Result<Vec<Listing>, OciError> {
        let by_api = self.referrers_by_api(digest).await?;
        // Both are read even where the list exists: entries may date from before it did.
        let by_tag = match self.tagged(&digest.tag("")).await? {
            Some(index) => manifest::descriptors(&index.bytes, "the list of referrers")?,
            None => Vec::new(),
        };
        let mut lists = Vec::new();
        if let Some(descriptors) = by_api {
            lists.push(Listing {
                descriptors,
                by_api: true,
            });
        }
        lists.push(Listing {
            descriptors: by_tag,
            by_api: false,
        });
        Ok(lists)
    }

    /// `None` when the registry has no such list (distribution-spec, "Listing Referrers").
    async fn referrers_by_api(
        &self,
        digest: ImageDigest,
    ) -> Result<Option<Vec<Result<Descriptor, OciError>>>, OciError> {
        let what = "the list of referrers";
        let mut url = self.url(&format!("referrers/{digest}"))?;
        let mut found = Vec::new();
        for page in 0..limits::REFERRER_PAGES {
            let answer = self
                .get_url(url.clone(), IMAGE_INDEX, limits::MANIFEST_BYTES, what)
                .await?;
            if page == 0 && is_unsupported(&answer) {
                return Ok(None);
            }
            if answer.status != 200 {
                return Err(self.wire.refused(&answer, format!("to send {what}")));
            }
            found.extend(manifest::descriptors(&answer.body, what)?);
            if found.len() > limits::REFERRERS {
                break;
            }
            match answer.header(LINK.as_str()).and_then(next_page) {
                Some(next) => url = self.beside(&url, next)?,
                None => return Ok(Some(found)),
            }
        }
        Err(OciError::TooMany {
            what: what.to_owned(),
            limit: limits::REFERRERS,
        })
    }

    /// Reads a small blob into memory; its bytes have the digest.
    pub(crate) async fn blob(
        &self,
        digest: ImageDigest,
        limit: usize,
    ) -> Result<Vec<u8>, OciError> {
        let what = format!("the blob {digest}");
        let answer = self
            .get(&format!("blobs/{digest}"), "*/*", limit, &what)
            .await?;
        match answer.status {
            200 => {}
            404 => return Err(OciError::Missing(what)),
            _ => return Err(self.wire.refused(&answer, format!("to send {what}"))),
        }
        let have = ImageDigest::of(&answer.body);
        if have == digest {
            Ok(answer.body)
        } else {
            Err(OciError::Digest { what, have })
        }
    }

    /// Reads a blob of any size, piece by piece; the stream fails unless size and digest are right.
    pub(crate) async fn open_blob(
        &self,
        digest: ImageDigest,
        size: u64,
    ) -> Result<BlobStream, OciError> {
        self.authorize(Operation::Pull).await?;
        let text = digest.to_string();
        // By digest alone: the URLs of a descriptor may lead anywhere.
        let stream = self
            .client
            .pull_blob_stream(&self.reference, text.as_str())
            .await
            .map_err(|error| self.failed(&format!("to send the blob {digest}"), error))?;
        let registry = self.wire.registry().to_owned();
        let stream = stream.stream.map(move |piece| {
            piece.map_err(|error| OciError::Unreachable {
                registry: registry.clone(),
                reason: error.to_string(),
            })
        });
        Ok(blob::verified(stream.boxed(), digest, size))
    }

    /// Whether the repository holds a blob.
    pub(crate) async fn has_blob(&self, digest: ImageDigest) -> Result<bool, OciError> {
        self.authorize(Operation::Pull).await?;
        self.client
            .blob_exists(&self.reference, &digest.to_string())
            .await
            .map_err(|error| self.failed(&format!("to say whether it has {digest}"), error))
    }

    /// Stores a blob. A stream that fails leaves nothing.
    pub(crate) async fn put_blob(
        &self,
        digest: ImageDigest,
        size: u64,
        stream: BlobStream,
    ) -> Result<(), OciError> {
        self.authorize(Operation::Push).await?;
        let stream = stream.map(|piece| {
            piece.map_err(|error| OciDistributionError::GenericError(Some(error.to_string())))
        });
        self.client
            .push_blob_stream(&self.reference, stream, &digest.to_string(), Some(size))
            .await
            .map(drop)
            .map_err(|error| self.failed(&format!("the blob {digest}"), error))
    }

    /// Stores a manifest under a tag, or under its digest alone. True when the registry itself lists it as a referrer.
    pub(crate) async fn put_manifest(
        &self,
        manifest: &Manifest,
        tag: Option<&str>,
    ) -> Result<bool, OciError> {
        let name = tag.map_or_else(|| manifest.digest.to_string(), str::to_owned);
        let request = Request {
            method: Method::PUT,
            url: self.url(&format!("manifests/{name}"))?,
            accept: "*/*",
            body: Some((manifest.media_type.clone(), manifest.bytes.clone())),
            limit: limits::REFUSAL_BYTES,
            what: format!("the manifest {name}"),
        };
        let answer = self.send(&request, Operation::Push).await?;
        if !(200..300).contains(&answer.status) {
            return Err(self.wire.refused(&answer, request.what));
        }
        let stored = answer.header("docker-content-digest");
        match stored.and_then(|text| text.parse::<ImageDigest>().ok()) {
            Some(have) if have != manifest.digest => Err(OciError::Digest {
                what: request.what,
                have,
            }),
            _ => Ok(answer.header(OCI_SUBJECT).is_some()),
        }
    }

    /// Makes referrers findable: nothing to do where the registry lists them by itself, else they are added to the
    /// index under the tag `sha256-…` (distribution-spec, "Referrers Tag Schema"), beside what others put there. True
    /// when it was that index.
    pub(crate) async fn list_referrers(
        &self,
        subject: ImageDigest,
        referrers: &[Descriptor],
    ) -> Result<bool, OciError> {
        if referrers.is_empty() || self.lists_all(subject, referrers).await? {
            return Ok(false);
        }
        let tag = subject.tag("");
        for _ in 0..limits::TAG_ATTEMPTS {
            let current = self.tagged(&tag).await?;
            let (index, complete) = extended(&tag, current.as_ref(), referrers)?;
            // Read again after writing: a tag has no lock, and somebody may have written at the same moment.
            if complete {
                return Ok(true);
            }
            self.put_manifest(&index, Some(&tag)).await?;
        }
        match self.tagged(&tag).await? {
            Some(index) if extended(&tag, Some(&index), referrers)?.1 => Ok(true),
            _ => Err(OciError::Contended { tag }),
        }
    }

    /// Whether the registry's own list already has all of them.
    async fn lists_all(
        &self,
        subject: ImageDigest,
        referrers: &[Descriptor],
    ) -> Result<bool, OciError> {
        let Some(listed) = self.referrers_by_api(subject).await? else {
            return Ok(false);
        };
        let listed: Vec<_> = listed.into_iter().flatten().map(|one| one.digest).collect();
        if referrers.iter().all(|one| listed.contains(&one.digest)) {
            return Ok(true);
        }
        Err(self.wire.answer_error(
            "it has a list of referrers, but did not put the new manifest on it".to_owned(),
        ))
    }

    async fn get(
        &self,
        path: &str,
        accept: &str,
        limit: usize,
        what: &str,
    ) -> Result<Answer, OciError> {
        self.get_url(self.url(path)?, accept, limit, what).await
    }

    async fn get_url(
        &self,
        url: Url,
        accept: &str,
        limit: usize,
        what: &str,
    ) -> Result<Answer, OciError> {
        let request = Request {
            method: Method::GET,
            url,
            accept,
            body: None,
            limit,
            what: what.to_owned(),
        };
        self.send(&request, Operation::Pull).await
    }

    /// Sends with a token; once more with a fresh one when the first was refused: it may have expired.
    async fn send(&self, request: &Request<'_>, operation: Operation) -> Result<Answer, OciError> {
        let shown = self.authorize(operation).await?;
        let answer = self.wire.send(request, shown.as_ref()).await?;
        if answer.status != 401 || shown.is_none() {
            return Ok(answer);
        }
        self.authority.forget(operation).await;
        let shown = self.authorize(operation).await?;
        self.wire.send(request, shown.as_ref()).await
    }

    async fn authorize(
        &self,
        operation: Operation,
    ) -> Result<Option<auth::Authorization>, OciError> {
        self.authority
            .authorize(&self.client, &self.wire, operation)
            .await
    }

    /// A path below the repository.
    fn url(&self, path: &str) -> Result<Url, OciError> {
        self.beside(&self.base, path)
    }

    /// A link, relative to where it was found; it must stay at the registry, because a token goes with it.
    fn beside(&self, from: &Url, link: &str) -> Result<Url, OciError> {
        let url = from
            .join(link)
            .map_err(|error| self.wire.answer_error(error.to_string()))?;
        if url.origin() == self.base.origin() {
            Ok(url)
        } else {
            let reason = "its list goes on at another host".to_owned();
            Err(self.wire.answer_error(reason))
        }
    }

    fn failed(&self, action: &str, error: OciDistributionError) -> OciError {
        use OciDistributionError as E;
        let registry = self.wire.registry().to_owned();
        let action = action.to_owned();
        match error {
            E::UnauthorizedError { .. } | E::AuthenticationFailure(_) => OciError::Unauthorized {
                registry,
                action,
                reason: "not authorized".to_owned(),
            },
            E::ServerError { code: 404, .. } => OciError::Missing(action),
            E::ServerError { code, message, .. } => OciError::Refused {
                registry,
                action,
                status: code,
                message: wire::shortened(&message),
            },
            E::RequestError(error)
                if error
                    .status()
                    .is_some_and(|status| status == 401 || status == 403) =>
            {
                OciError::Unauthorized {
                    registry,
                    action,
                    reason: "not authorized".to_owned(),
                }
            }
            E::RequestError(error) => OciError::Unreachable {
                registry,
                reason: wire::causes(&error),
            },
            other => OciError::Answer {
                registry,
                reason: format!("{action}: {}", wire::shortened(&other.to_string())),
            },
        }
    }
}

/// Statuses by which registries say that they have no list of referrers. The specification knows 404 alone.
fn is_unsupported(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 404 | 405 | 406 | 501)
        || (answer.status == 200
            && answer
                .header(CONTENT_TYPE.as_str())
                .is_some_and(|text| text.starts_with("text/html")))
}

/// The target of `<…>; rel="next"` (RFC 8288).
fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (target, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters
            .split(';')
            .any(|parameter| matches!(parameter.trim(), r#"rel="next""# | "rel=next"));
        is_next.then_some(target)
    })
}

/// The index with `more` in it, everything else as it was; and whether all of `more` was there before.
fn extended(
    tag: &str,
    current: Option<&Manifest>,
    more: &[Descriptor],
) -> Result<(Manifest, bool), OciError> {
    let mut index: Value = match current {
        None => json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": []}),
        Some(manifest) => {
            serde_json::from_slice(&manifest.bytes).map_err(|error| OciError::ForeignTag {
                tag: tag.to_owned(),
                have: error.to_string(),
            })?
        }
    };
    let foreign = || OciError::ForeignTag {
        tag: tag.to_owned(),
        have: current
            .map_or("something else", |have| &have.media_type)
            .to_owned(),
    };
    let Some(Value::Array(manifests)) = index.get_mut("manifests") else {
        return Err(foreign());
    };
    let mut complete = current.is_some();
    for descriptor in more {
        let digest = Value::from(descriptor.digest.to_string());
        if !manifests
            .iter()
            .any(|one| one.get("digest") == Some(&digest))
        {
            manifests.push(descriptor.to_json());
            complete = false;
        }
    }
    if manifests.len() > limits::REFERRERS {
        return Err(OciError::TooMany {
            what: format!("referrers under the tag {tag}"),
            limit: limits::REFERRERS,
        });
    }
    let media_type = current.map_or(IMAGE_INDEX, |have| &have.media_type);
    let manifest = Manifest::new(index.to_string().into_bytes(), Some(media_type))?;
    Ok((manifest, complete))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn referrer(byte: u8) -> Descriptor {
        Descriptor {
            media_type: "m".into(),
            digest: ImageDigest([byte; 32]),
            size: 1,
            artifact_type: Some("a".into()),
            annotations: [("k".to_owned(), "v".to_owned())].into(),
        }
    }

    #[test]
    fn what_others_put_under_the_tag_stays() {
        let theirs = json!({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "x-mine": {"a": [1]},
            "manifests": [{"mediaType": "x", "digest": ImageDigest([9; 32]), "size": 3, "data": "AAAA", "x": true}]});
        let theirs = Manifest::new(theirs.to_string().into_bytes(), None).unwrap();
        let (mine, complete) = extended("t", Some(&theirs), &[referrer(1)]).unwrap();
        assert!(!complete);
        let json: Value = serde_json::from_slice(&mine.bytes).unwrap();
        assert_eq!(json["x-mine"]["a"][0], 1);
        assert_eq!(json["manifests"][0]["x"], true);
        assert_eq!(json["manifests"][0]["data"], "AAAA");
        assert_eq!(json["manifests"][1]["artifactType"], "a");
        assert_eq!(json["manifests"][1]["annotations"]["k"], "v");
        let (again, complete) = extended("t", Some(&mine), &[referrer(1)]).unwrap();
        assert!(complete);
        assert_eq!(again.bytes, mine.bytes);
    }

    #[test]
    fn a_tag_that_holds_an_image_is_left_alone() {
        let image = json!({"schemaVersion": 2, "config": {}, "layers": []}).to_string();
        let image = Manifest::new(image.into_bytes(), None).unwrap();
        assert!(matches!(
            extended("t", Some(&image), &[referrer(1)]),
            Err(OciError::ForeignTag { .. })
        ));
    }

    #[test]
    fn the_next_page_is_the_one_so_called() {
        assert_eq!(next_page(r#"</v2/a?n=1>; rel="next""#), Some("/v2/a?n=1"));
        assert_eq!(
            next_page(r#"</p>; rel="prev", </n>; title=x; rel=next"#),
            Some("/n")
        );
        assert_eq!(next_page(r#"</p>; rel="prev""#), None);
        assert_eq!(next_page("nonsense"), None);
    }
}
