//! The data beside a leaf: the SCT that was returned for it, then RFC 6962's extra_data.
//!
//! The SCT is kept because an ECDSA signature cannot be made twice: a second submission gets the very same one.

use bytes::{BufMut, Bytes, BytesMut};
use pki::cert::Certificate;
use pki::sct::{Sct, extra_data_precert, extra_data_x509};

/// What stands beside a leaf.
pub(crate) struct Stored {
    pub(crate) sct: Sct,
    /// `extra_data` of get-entries.
    pub(crate) extra_data: Bytes,
}

/// u16 length and SCT, then extra_data. `chain` is without the leaf, its root last.
pub(crate) fn encode(sct: &Sct, submitted: &Certificate, chain: &[Certificate]) -> Bytes {
    let chain: Vec<&[u8]> = chain.iter().map(Certificate::der).collect();
    let extra_data = match submitted.is_precertificate() {
        true => extra_data_precert(submitted.der(), &chain),
        false => extra_data_x509(&chain),
    };
    let sct = sct.to_bytes();
    let mut out = BytesMut::with_capacity(2 + sct.len() + extra_data.len());
    // Our own SCT has about 120 bytes. A length that is cut would not parse again.
    out.put_u16(u16::try_from(sct.len()).unwrap_or(u16::MAX));
    out.put_slice(&sct);
    out.put_slice(&extra_data);
    out.freeze()
}

/// `None` when the bytes were not written by [`encode`].
pub(crate) fn decode(extra: &Bytes) -> Option<Stored> {
    let (length, _) = extra.split_first_chunk::<2>()?;
    let end = 2 + usize::from(u16::from_be_bytes(*length));
    let sct = Sct::parse(extra.get(2..end)?).ok()?;
    Some(Stored {
        sct,
        extra_data: extra.slice(end..),
    })
}
