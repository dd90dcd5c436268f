//! The first screen of `up`: where things are, two lines to paste, what to do next.

use crate::instance::{Instance, Kind, Role};
use crate::trust_files::{SIGNING_CONFIG_FILE, TRUSTED_ROOT_FILE};
use anyhow::Result;
use serde_json::json;
use std::io::Write;
use std::path::Path;

const EXAMPLE_EMAIL: &str = "you@example.com";

/// Prints the screen and `ready`.
pub(crate) fn print(instance: &Instance, dev_issuer: Option<&str>, as_json: bool) -> Result<()> {
    let text = if as_json {
        json_line(instance, dev_issuer)
    } else {
        human(instance, dev_issuer)
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    writeln!(out, "ready")?;
    out.flush()?;
    Ok(())
}

fn json_line(instance: &Instance, dev_issuer: Option<&str>) -> String {
    let lines = dev_issuer.map(|issuer| Lines::new(instance, issuer));
    let url = &instance.public.url;
    json!({
        "url": url,
        "fulcio": instance.public.fulcio_url(),
        "rekor": instance.public.rekor_url(Kind::RekorV1),
        "rekor_v2": instance.public.newest(Kind::RekorV2).map_or_else(|_| url.clone(), |shard| shard.url),
        "timestamp": instance.public.timestamp_url(),
        "ctlog": instance.public.active(Role::Ct).map_or_else(|_| url.clone(), |log| instance.public.ct_url(&log)),
        "tuf": instance.public.tuf_url(),
        "tuf_root": instance.layout.tuf_root(),
        "verifier": url,
        "oidc": dev_issuer,
        "data_dir": instance.layout.root(),
        "trust_dir": instance.layout.trust(),
        "trusted_root": instance.layout.trust().join(TRUSTED_ROOT_FILE),
        "signing_config": instance.layout.trust().join(SIGNING_CONFIG_FILE),
        "try_sigstead": lines.as_ref().map(|lines| &lines.sigstead),
        "try_cosign": lines.as_ref().map(|lines| &lines.cosign),
    })
    .to_string()
}

fn human(instance: &Instance, dev_issuer: Option<&str>) -> String {
    let url = &instance.public.url;
    let trust = instance.layout.trust();
    let mut text = format!(
        "Sigstead {version}: your own Sigstore\n\n\
         \x20 Certificates   {url}  (Fulcio v1, v2)\n\
         \x20 Log            {url}  (Rekor v1, v2)\n\
         \x20 Timestamps     {url}/api/v1/timestamp\n\
         \x20 CT log         {url}/ctlog\n\
         \x20 TUF            {url}/tuf\n\
         \x20 Verifier       {url}/ui/verifier\n\
         \x20 Data folder    {data}\n\
         \x20 Trust files    {trust}\n",
        version = env!("CARGO_PKG_VERSION"),
        data = instance.layout.root().display(),
        trust = trust.display(),
    );
    if let Some(issuer) = dev_issuer {
        let lines = Lines::new(instance, issuer);
        text += &format!(
            "\nwarning: the development issuer {issuer} is on (loopback only): whoever can read the data folder can sign as anybody\n\n\
             Sign and verify, with sigstead:\n\n{}\n\nor with cosign 3:\n\n{}\n",
            lines.sigstead, lines.cosign
        );
    }
    text += &format!(
        "\nNext: give your clients the files in {trust}\n\
         \x20 cosign           --signing-config {signing} --trusted-root {root}\n\
         \x20 sigstore-python  --trust-config {trust}/client_trust_config.json\n\
         \x20 Rekor v2         the same with signing_config_rekor_v2.json, client_trust_config_rekor_v2.json\n\
         or let them follow by themselves (TUF)\n\
         \x20 cosign           initialize --mirror {url}/tuf --root {tuf_root}\n\
         \x20 sigstore-python  --instance {url}/tuf trust-instance {tuf_root}\n\
         Stop with Ctrl-C; the next `up` goes on with the same keys and logs.\n",
        trust = trust.display(),
        signing = trust.join(SIGNING_CONFIG_FILE).display(),
        root = trust.join(TRUSTED_ROOT_FILE).display(),
        tuf_root = instance.layout.tuf_root().display(),
    );
    text
}

/// Two lines that work when pasted into a shell.
struct Lines {
    sigstead: String,
    cosign: String,
}

impl Lines {
    fn new(instance: &Instance, issuer: &str) -> Self {
        let program = std::env::current_exe()
            .map(|path| quote(&path))
            .unwrap_or_else(|_| "sigstead".to_owned());
        let data = quote(instance.layout.root());
        let trust = instance.layout.trust();
        let signing = quote(&trust.join(SIGNING_CONFIG_FILE));
        let root = quote(&trust.join(TRUSTED_ROOT_FILE));
        let token = format!("\"$({program} token --data-dir {data} --email {EXAMPLE_EMAIL})\"");
        let who =
            format!("--certificate-identity {EXAMPLE_EMAIL} --certificate-oidc-issuer {issuer}");
        let sigstead = format!(
            "echo hello > hello.txt && {program} sign hello.txt --bundle hello.sigstore.json --identity-token {token} \
             --signing-config {signing} --trusted-root {root} && {program} verify --bundle hello.sigstore.json {who} \
             --trusted-root {root} hello.txt"
        );
        let cosign = format!(
            "echo hello > hello.txt && cosign sign-blob -y --bundle hello.sigstore.json --identity-token {token} \
             --signing-config {signing} --trusted-root {root} hello.txt && cosign verify-blob --bundle hello.sigstore.json {who} \
             --trusted-root {root} hello.txt"
        );
        Self { sigstead, cosign }
    }
}

/// Quotes a path for a shell when it needs that.
fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_only_when_a_shell_would_split_them() {
        assert_eq!(quote(Path::new("/srv/sigstead-data")), "/srv/sigstead-data");
        assert_eq!(quote(Path::new("/my data/it's")), "'/my data/it'\\''s'");
    }
}
