//! Certificates under fire: every one that was issued is in the CT log, as its SCT promises.

use super::ledger::Ledger;
use super::reference::{Hash, Leaves, leaf_hash};
use crate::e2e::Instance;
use crate::load::{Answer, Call, Client};
use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use keys::EphemeralKey;
use pki::cert::Certificate;
use pki::sct;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const EMAIL: &str = "crash@example.com";
/// Between two certificates: they are one part of the load, not the largest.
const PAUSE: Duration = Duration::from_millis(20);
const HEAD: &str = "/ctlog/ct/v1/get-sth";

/// What the CA and the CT log were heard to say.
#[derive(Default)]
pub(super) struct Issued {
    /// Timestamp of the SCT and serial number.
    certificates: HashSet<(u64, Vec<u8>)>,
    heads: BTreeSet<(u64, Hash)>,
}

/// One client of the CA, which asks the processes in turn.
pub(super) struct Subscriber {
    pub(super) clients: Vec<Client>,
    pub(super) token: String,
    pub(super) patience: Duration,
    pub(super) ledger: Arc<Ledger>,
    pub(super) stop: Arc<AtomicBool>,
}

/// A token of the development issuer; it outlives ten minutes of load.
pub(crate) fn token(instance: &Instance) -> Result<String> {
    instance.token(EMAIL)
}

impl Subscriber {
    pub(super) async fn run(mut self) {
        let (Ok(request), Ok(head)) = (self.request(), Call::get(HEAD)) else {
            self.ledger.fault("no request for a certificate".into());
            return;
        };
        let mut at = 0;
        while !self.stop.load(Ordering::Relaxed) {
            for call in [&request, &head] {
                let send = self.clients[at].send(call.clone());
                if let Ok(Ok(answer)) = timeout(self.patience, send).await
                    && let Err(error) = self.note(&answer)
                {
                    self.ledger.fault(format!("certificates: {error:#}"));
                }
            }
            at = (at + 1) % self.clients.len();
            sleep(PAUSE).await;
        }
    }

    /// The same key each time: the certificate is another one.
    fn request(&self) -> Result<Call> {
        let key = EphemeralKey::generate()?;
        let body = json!({
            "credentials": {"oidcIdentityToken": self.token},
            "publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": key.public_key().to_pem()},
                "proofOfPossession": BASE64_STANDARD.encode(key.sign(EMAIL.as_bytes())?),
            },
        });
        Call::post("/api/v2/signingCert", body.to_string().into())
    }

    fn note(&self, answer: &Answer) -> Result<()> {
        let text = String::from_utf8_lossy(&answer.body);
        // The issuer is one of the processes, and may be the one that was killed.
        let no_issuer = answer.status == 400 && text.contains("could not be fetched");
        if no_issuer || matches!(answer.status, 429 | 503) {
            return Ok(());
        }
        ensure!(answer.status == 200, "status {}: {text}", answer.status);
        let json: Value = serde_json::from_slice(&answer.body)?;
        let mut issued = self.ledger.issued();
        if json.get("tree_size").is_some() {
            issued.heads.insert(head_of(&json)?);
            return Ok(());
        }
        let pem = &json["signedCertificateEmbeddedSct"]["chain"]["certificates"][0];
        let certificate = Certificate::parse_pem(pem.as_str().context("no certificate")?)?;
        let scts = sct::embedded(&certificate)?;
        let sct = scts.first().context("a certificate without an SCT")?;
        let known = (sct.timestamp, certificate.serial().to_vec());
        ensure!(
            issued.certificates.insert(known),
            "a serial number was given twice"
        );
        Ok(())
    }
}

/// Reads the CT log to its end and compares; gives its size and the number of certificates in it that were issued.
pub(super) async fn prove(url: &str, ledger: &Ledger) -> Result<(usize, usize, usize)> {
    let mut client = Client::new(url);
    let newest = get(&mut client, HEAD).await?;
    let (size, root) = head_of(&newest)?;
    let mut inputs: Vec<Vec<u8>> = Vec::new();
    while inputs.len() < usize::try_from(size)? {
        let path = format!(
            "/ctlog/ct/v1/get-entries?start={}&end={}",
            inputs.len(),
            size - 1
        );
        let json = get(&mut client, &path).await?;
        let entries = json["entries"].as_array().context("no entries")?;
        ensure!(!entries.is_empty(), "get-entries ends at {}", inputs.len());
        for entry in entries {
            let input = entry["leaf_input"].as_str().context("no leaf_input")?;
            inputs.push(BASE64_STANDARD.decode(input)?);
        }
    }
    let issued = std::mem::take(&mut *ledger.issued());
    let leaves = Leaves::new(inputs.iter().map(|input| leaf_hash(input)).collect());
    for (size, root) in issued.heads.iter().chain([&(size, root)]) {
        if leaves.root(usize::try_from(*size)?) != Some(*root) {
            ledger.fault(format!(
                "ct: the head of {size} is not a prefix of the final tree"
            ));
        }
    }
    for (timestamp, serial) in &issued.certificates {
        // RFC 6962 section 3.4: version, leaf type, then the timestamp; the serial number is within the TBS certificate.
        let found = inputs.iter().filter(|input| {
            input.get(2..10) == Some(&timestamp.to_be_bytes()[..])
                && input.windows(serial.len()).any(|window| window == serial)
        });
        let count = found.count();
        if count != 1 {
            ledger.fault(format!(
                "ct: an issued certificate is {count} times in the log"
            ));
        }
    }
    Ok((inputs.len(), issued.certificates.len(), issued.heads.len()))
}

fn head_of(json: &Value) -> Result<(u64, Hash)> {
    let size = json["tree_size"].as_u64().context("tree_size")?;
    let root = json["sha256_root_hash"].as_str().context("root")?;
    let root = BASE64_STANDARD.decode(root)?.try_into().ok();
    Ok((size, root.context("a root has 32 bytes")?))
}

async fn get(client: &mut Client, path: &str) -> Result<Value> {
    let answer = client.send(Call::get(path)?).await?;
    ensure!(answer.status == 200, "{path} answers {}", answer.status);
    Ok(serde_json::from_slice(&answer.body)?)
}
