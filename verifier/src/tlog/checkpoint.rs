//! Checkpoints of both log generations (spec/clients.md 0.8, 0.9, c.2.5a; spec/rekor.md A.6, B.7, B.8).

use super::EntryFailure;
use crate::Context;
use crate::limits;
use crate::report::quoted;
use crate::trust::Log;
use note::policy::Policy as Witnesses;
use note::{Checkpoint, Hint, KeyType, SignedNote, VerifierKey};
use pki::key::{KeyKind, PublicKey, Scheme};

/// A checkpoint that the log signed, and what else is known of it.
pub(crate) struct Opened {
    pub(crate) head: Checkpoint,
    /// For the report: who cosigned, when the policy asks.
    cosigned: Option<String>,
}

impl Opened {
    /// Says what was shown.
    pub(crate) fn evidence(&self) -> String {
        let cosigned = self.cosigned.as_deref().unwrap_or_default();
        format!(
            "included in the tree of {} entries, checkpoint of {}{cosigned}",
            self.head.size,
            quoted(&self.head.origin)
        )
    }
}

/// Opens a Rekor v1 checkpoint: origin `host - treeID`, signed as `host`, hint from the hash of the SPKI for every
/// key type.
///
/// The host is not compared with `baseUrl`: rekor-server's default hostname is the public instance's, so private
/// logs behind another name are common and sigstore-go accepts them. The log's key decides.
pub(crate) fn open_v1(cx: &Context<'_>, envelope: &str, log: &Log) -> Result<Opened, EntryFailure> {
    let (signed, head) = parse(envelope)?;
    let host = v1_host(&head.origin).ok_or_else(|| EntryFailure::Origin {
        have: quoted(&head.origin),
        want: "`<host> - <tree ID>`".into(),
    })?;
    verify(cx, &signed, host, note::hint(&log.spki_hash), log)?;
    let cosigned = check_witnesses(cx, &signed, &head)?;
    Ok(Opened { head, cosigned })
}

/// Opens a Rekor v2 checkpoint: origin = host of `baseUrl` = name of the signature, hint from the log ID.
pub(crate) fn open_v2(cx: &Context<'_>, envelope: &str, log: &Log) -> Result<Opened, EntryFailure> {
    let (signed, head) = parse(envelope)?;
    if head.origin != log.host {
        return Err(EntryFailure::Origin {
            have: quoted(&head.origin),
            want: format!("`{}`", log.host),
        });
    }
    verify(cx, &signed, &log.host, note::hint(&log.id), log)?;
    let cosigned = check_witnesses(cx, &signed, &head)?;
    Ok(Opened { head, cosigned })
}

fn parse(envelope: &str) -> Result<(SignedNote, Checkpoint), EntryFailure> {
    let signed = SignedNote::parse(envelope).map_err(EntryFailure::Checkpoint)?;
    let head = Checkpoint::parse(signed.text()).map_err(EntryFailure::Checkpoint)?;
    Ok((signed, head))
}

/// `host` of `host - 1234`.
fn v1_host(origin: &str) -> Option<&str> {
    let (host, tree_id) = origin.rsplit_once(" - ")?;
    let is_number = !tree_id.is_empty() && tree_id.bytes().all(|b| b.is_ascii_digit());
    (is_number && !host.is_empty()).then_some(host)
}

/// The log's own line must be there and verify; lines of other names or keys (witnesses) are ignored.
fn verify(
    cx: &Context<'_>,
    signed: &SignedNote,
    name: &str,
    hint: Hint,
    log: &Log,
) -> Result<(), EntryFailure> {
    let own: Vec<&[u8]> = signed.by(name, hint).collect();
    if own.is_empty() || own.len() > limits::OWN_SIGNATURES {
        return Err(EntryFailure::NoSignature {
            name: quoted(name),
            hint: hex::encode(hint),
        });
    }
    // C2SP signed-note: a line of a known key that does not verify voids the note, so all of them must.
    for signature in own {
        cx.spend(1)?;
        log.key
            .verify(log.scheme, signed.text().as_bytes(), signature)
            .map_err(|_| EntryFailure::CheckpointSignature)?;
    }
    Ok(())
}

/// Whether the policy's witnesses cosigned, when it names any (C2SP tlog-policy, tlog-cosignature).
fn check_witnesses(
    cx: &Context<'_>,
    signed: &SignedNote,
    head: &Checkpoint,
) -> Result<Option<String>, EntryFailure> {
    let Some(witnesses) = &cx.policy.witnesses else {
        return Ok(None);
    };
    let mut exhausted = false;
    let found = witnesses.evaluate(signed, |key, message, signature| match cx.spend(1) {
        Ok(()) => holds(key, message, signature),
        Err(_) => {
            exhausted = true;
            false
        }
    });
    if exhausted {
        return Err(EntryFailure::Budget);
    }
    let found = found.map_err(EntryFailure::Cosignature)?;
    if !witnesses.logs().is_empty() && found.log.is_none() {
        return Err(EntryFailure::UnlistedLog {
            origin: quoted(&head.origin),
        });
    }
    if !found.quorum_met {
        return Err(EntryFailure::Cosignatures {
            have: found.cosigned.iter().flatten().count(),
            known: found.cosigned.len(),
        });
    }
    Ok(Some(shown(witnesses, &found.cosigned)))
}

fn shown(witnesses: &Witnesses, cosigned: &[Option<u64>]) -> String {
    let names = witnesses.witnesses().iter().zip(cosigned);
    let names = names.filter_map(|(witness, time)| time.map(|_| quoted(&witness.label())));
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(", cosigned by {}", names.join(", ")),
    }
}

fn holds(key: &VerifierKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(public) = PublicKey::parse_spki(&key.spki_der()) else {
        return false;
    };
    // C2SP signed-note: type 0x02 hashes with SHA-256 whatever the curve.
    let scheme = match (key.key_type(), public.kind()) {
        (KeyType::Ed25519 | KeyType::CosignatureEd25519, KeyKind::Ed25519) => Scheme::Ed25519,
        (KeyType::Ecdsa, KeyKind::EcdsaP256) => Scheme::EcdsaP256Sha256,
        (KeyType::Ecdsa, KeyKind::EcdsaP384) => Scheme::EcdsaP384Sha256,
        (KeyType::Ecdsa, KeyKind::EcdsaP521) => Scheme::EcdsaP521Sha256,
        _ => return false,
    };
    // A key of small order would verify forged signatures.
    public.check_strength().is_ok() && public.verify(scheme, message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v1_origin_is_host_dash_tree_id() {
        assert_eq!(
            v1_host("rekor.example.com - 2605736670972794746"),
            Some("rekor.example.com")
        );
        assert_eq!(v1_host("a - b - 1"), Some("a - b"));
        for bad in [
            "rekor.example.com",
            "rekor.example.com - ",
            "rekor.example.com - x1",
            " - 1",
            "rekor.example.com -1",
            "",
        ] {
            assert_eq!(v1_host(bad), None, "{bad}");
        }
    }
}
