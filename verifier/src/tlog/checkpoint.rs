//! Checkpoints of both log generations (spec/clients.md 0.8, 0.9, c.2.5a; spec/rekor.md A.6, B.7, B.8).

use super::EntryFailure;
use crate::Context;
use crate::limits;
use crate::report::quoted;
use crate::trust::Log;
use note::{Checkpoint, Hint, SignedNote};

/// Opens a Rekor v1 checkpoint: origin `host - treeID`, signed as `host`, hint from the hash of the SPKI for every
/// key type.
///
/// The host is not compared with `baseUrl`: rekor-server's default hostname is the public instance's, so private
/// logs behind another name are common and sigstore-go accepts them. The log's key decides.
pub(crate) fn open_v1(
    cx: &Context<'_>,
    envelope: &str,
    log: &Log,
) -> Result<Checkpoint, EntryFailure> {
    let (signed, head) = parse(envelope)?;
    let host = v1_host(&head.origin).ok_or_else(|| EntryFailure::Origin {
        have: quoted(&head.origin),
        want: "`<host> - <tree ID>`".into(),
    })?;
    verify(cx, &signed, host, note::hint(&log.spki_hash), log)?;
    Ok(head)
}

/// Opens a Rekor v2 checkpoint: origin = host of `baseUrl` = name of the signature, hint from the log ID.
pub(crate) fn open_v2(
    cx: &Context<'_>,
    envelope: &str,
    log: &Log,
) -> Result<Checkpoint, EntryFailure> {
    let (signed, head) = parse(envelope)?;
    if head.origin != log.host {
        return Err(EntryFailure::Origin {
            have: quoted(&head.origin),
            want: format!("`{}`", log.host),
        });
    }
    verify(cx, &signed, &log.host, note::hint(&log.id), log)?;
    Ok(head)
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
