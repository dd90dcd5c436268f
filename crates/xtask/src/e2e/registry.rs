//! Real OCI registries on loopback, open or private, and small images for them.

use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A registry process, stopped when dropped.
pub(crate) struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Registry {
    /// Starts Debian's `docker-registry` on a free port with its data in `folder`.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        Self::start_with(program, &folder.join("registry"), "", "")
    }

    /// Starts one that speaks TLS and asks for a password.
    pub(crate) fn start_private(
        program: &Path,
        folder: &Path,
        certificate: &Path,
        key: &Path,
        passwords: &Path,
    ) -> Result<Self> {
        let tls = format!(
            ", tls: {{certificate: {}, key: {}}}",
            certificate.display(),
            key.display()
        );
        let auth = format!(
            "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
            passwords.display()
        );
        Self::start_with(program, folder, &tls, &auth)
    }

    fn start_with(program: &Path, data: &Path, http: &str, more: &str) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let config = data.with_extension("yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: {address}{http}}}\n{more}",
            data.display()
        );
        std::fs::write(&config, text)?;
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the registry")?;
        let registry = Self { child, address };
        registry.wait()?;
        Ok(registry)
    }

    fn wait(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if std::net::TcpStream::connect(&self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the registry does not answer on {}", self.address)
    }

    /// Pushes a one-layer image and returns its reference by digest.
    pub(crate) fn push_image(&self, name: &str) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (reference, ..) = runtime.block_on(self.push(name, "latest", name))?;
        Ok(reference)
    }

    /// Pushes an index of two images and returns its reference by digest.
    pub(crate) fn push_index(&self, name: &str) -> Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut manifests = Vec::new();
            for architecture in ["amd64", "arm64"] {
                let (_, size, digest) = self.push(name, architecture, architecture).await?;
                manifests.push(serde_json::json!({
                    "mediaType": MANIFEST, "size": size, "digest": digest,
                    "platform": {"os": "linux", "architecture": architecture},
                }));
            }
            let index = serde_json::json!({
                "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests,
            });
            let (reference, ..) = self.put(name, "latest", INDEX, index.to_string()).await?;
            Ok(reference)
        })
    }

    /// Pushes a one-layer image; gives its reference by digest, its size and its digest.
    async fn push(&self, name: &str, tag: &str, layer: &str) -> Result<(String, usize, String)> {
        let http = reqwest::Client::new();
        let base = format!("http://{}/v2/{name}", self.address);
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer.as_bytes())]},
        })
        .to_string();
        let mut descriptors = Vec::new();
        for (media_type, blob) in [
            (
                "application/vnd.oci.image.config.v1+json",
                config.into_bytes(),
            ),
            (
                "application/vnd.oci.image.layer.v1.tar",
                layer.as_bytes().to_vec(),
            ),
        ] {
            let answer = http
                .post(format!("{base}/blobs/uploads/"))
                .send()
                .await?
                .error_for_status()?;
            let location = answer
                .headers()
                .get("location")
                .context("no upload location")?
                .to_str()?
                .to_owned();
            let mut upload = reqwest::Url::parse(&base)?.join(&location)?;
            let (size, digest) = (blob.len(), digest(&blob));
            upload.query_pairs_mut().append_pair("digest", &digest);
            http.put(upload)
                .body(blob)
                .send()
                .await?
                .error_for_status()?;
            descriptors
                .push(serde_json::json!({"mediaType": media_type, "size": size, "digest": digest}));
        }
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptors[0], "layers": [descriptors[1]],
        })
        .to_string();
        self.put(name, tag, MANIFEST, manifest).await
    }

    async fn put(
        &self,
        name: &str,
        tag: &str,
        media_type: &str,
        manifest: String,
    ) -> Result<(String, usize, String)> {
        let digest = digest(manifest.as_bytes());
        let size = manifest.len();
        reqwest::Client::new()
            .put(format!("http://{}/v2/{name}/manifests/{tag}", self.address))
            .header("content-type", media_type)
            .body(manifest)
            .send()
            .await?
            .error_for_status()?;
        Ok((format!("{}/{name}@{digest}", self.address), size, digest))
    }

    /// The tags of a repository.
    pub(crate) fn tags(&self, name: &str) -> Result<Vec<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let answer = reqwest::get(format!("http://{}/v2/{name}/tags/list", self.address))
                .await?
                .error_for_status()?;
            let json: serde_json::Value = answer.json().await?;
            let tags = json["tags"].as_array().cloned().unwrap_or_default();
            Ok(tags
                .iter()
                .filter_map(|tag| tag.as_str().map(str::to_owned))
                .collect())
        })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Already ended is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn digest(bytes: &[u8]) -> String {
    format!(
        "sha256:{}",
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(bytes))
    )
}
