//! The instance's TUF repository: where it is kept, and what it holds.

use crate::database::Database;
use crate::instance::{Generation, Kind, Layout, PublicHalf, Role, Shard};
use crate::trust_files::{signing_config, trusted_root};
use anyhow::Result;
use clock::Clock;
use pki::cert::Certificate;
use serde_json::json;
use std::sync::Arc;
use tuf::{Content, Folder, KeyFiles, Options, Repository, SharedStore, Store};

/// Media type of signing configs that old clients read.
const SIGNING_CONFIG_V01: &str = "application/vnd.dev.sigstore.signingconfig.v0.1+json";

/// Takes the repository into use. With an SQLite file one machine has all of it, and the folder is the repository; with a
/// server other processes have it too, so the database is, and the folder follows.
pub(crate) fn open(layout: &Layout, database: &Database, clock: &Clock) -> Result<Repository> {
    let keys = KeyFiles::new(layout.keys());
    open_with_keys(layout, database, clock, keys)
}

/// The same with keys from elsewhere.
pub(crate) fn open_with_keys(
    layout: &Layout,
    database: &Database,
    clock: &Clock,
    keys: KeyFiles,
) -> Result<Repository> {
    let folder = Folder::new(layout.tuf());
    let store: Arc<dyn Store> = match database {
        Database::File(_) => Arc::new(folder),
        Database::Server(url) => Arc::new(SharedStore::new(url, folder)?),
    };
    Ok(Repository::new(
        store,
        keys,
        layout.tuf_root(),
        clock.clone(),
    ))
}

/// Publishes what clients need to know of the instance now.
pub(crate) async fn publish(
    repository: &Repository,
    public: &PublicHalf,
    oidc: Option<&str>,
    options: Options,
) -> Result<tuf::Done> {
    Ok(repository
        .publish(&contents(public, oidc)?, options)
        .await?)
}

/// All targets, under the names of the public instance.
pub(crate) fn contents(public: &PublicHalf, oidc: Option<&str>) -> Result<Vec<Content>> {
    let v1 = signing_config(public, oidc, 1)?;
    let v2 = signing_config(public, oidc, 2)?;
    let mut contents = vec![
        Content::new("trusted_root.json", trusted_root(public)?.to_json()),
        Content::new("signing_config.v0.2.json", v1.to_json()),
        Content::new("signing_config_rekor_v2.v0.2.json", v2.to_json()),
        Content::new("signing_config.json", old_signing_config(public, oidc)?),
    ];
    contents.extend(certificates(public)?);
    for log in public.generations(Role::Ct)? {
        let name = numbered("ctfe", log.number, "pub");
        let is_active = log.replaced.is_none();
        let url = public.ct_url(&log);
        contents.push(Content::new(name, log.key()?.to_pem()).legacy("CTFE", is_active, &url));
    }
    let shards = public.shards_of(Kind::RekorV1)?;
    contents.extend(shards.iter().map(rekor_key));
    Ok(contents)
}

/// The CA's and the timestamp authority's, each by itself.
fn certificates(public: &PublicHalf) -> Result<Vec<Content>> {
    let mut contents = Vec::new();
    for ca in public.generations(Role::Ca)? {
        contents.extend(fulcio(&ca, public.fulcio_url()));
    }
    // Old clients put all timestamping targets together and refuse two leaves: there is room for the one that signs.
    let stamps = public.timestamp_url();
    let tsa = |name: String, pem: String| Content::new(name, pem).legacy("TSA", true, &stamps);
    if let [leaf, between @ .., root] = public.active(Role::Tsa)?.chain() {
        contents.push(tsa("tsa_leaf.crt.pem".to_owned(), leaf.to_pem()));
        for (index, certificate) in between.iter().enumerate() {
            let name = format!("tsa_intermediate_{index}.crt.pem");
            contents.push(tsa(name, certificate.to_pem()));
        }
        contents.push(tsa("tsa_root.crt.pem".to_owned(), root.to_pem()));
    }
    Ok(contents)
}

/// One CA: `fulcio_v1.crt.pem` and `fulcio_intermediate_v1.crt.pem`, later ones `…_v2.…` and so on. Clients that look for
/// single files go by their usage and take all.
fn fulcio(ca: &Generation, url: &str) -> Vec<Content> {
    let [between @ .., root] = ca.chain() else {
        return Vec::new();
    };
    let content = |name: String, pem: String| {
        Content::new(name, pem).legacy("Fulcio", ca.replaced.is_none(), url)
    };
    let mut contents = Vec::new();
    if ca.number == 1 {
        // The oldest clients ask for this name alone.
        contents.push(content("fulcio.crt.pem".to_owned(), root.to_pem()));
    }
    let between: String = between.iter().map(Certificate::to_pem).collect();
    let version = ca.number;
    contents.push(content(format!("fulcio_v{version}.crt.pem"), root.to_pem()));
    let name = format!("fulcio_intermediate_v{version}.crt.pem");
    contents.push(content(name, between));
    contents
}

/// `ctfe.pub`, `ctfe-2.pub` and so on.
fn numbered(stem: &str, number: u32, extension: &str) -> String {
    match number {
        1 => format!("{stem}.{extension}"),
        number => format!("{stem}-{number}.{extension}"),
    }
}

/// `rekor.pub`, later shards `rekor-2.pub` and so on. Clients that look for single keys know version 1 only.
fn rekor_key(shard: &Shard) -> Content {
    let name = numbered("rekor", shard.number, "pub");
    let is_active = shard.frozen.is_none();
    Content::new(name, shard.key.to_pem()).legacy("Rekor", is_active, &shard.url)
}

/// Version 0.1: one URL of each kind, Rekor v1.
fn old_signing_config(public: &PublicHalf, oidc: Option<&str>) -> Result<String> {
    let mut config = json!({
        "mediaType": SIGNING_CONFIG_V01,
        "caUrl": public.fulcio_url(),
        "tlogUrls": [public.newest(Kind::RekorV1)?.url],
        "tsaUrls": [public.timestamp_url()],
    });
    if let Some(oidc) = oidc {
        config["oidcUrl"] = json!(oidc);
    }
    Ok(serde_json::to_string_pretty(&config)? + "\n")
}
