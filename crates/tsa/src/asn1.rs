//! Writes DER: the few shapes that a timestamp token has.
//!
//! Most of a token is the same in every answer, so it is kept as encoded bytes and composed by copying,
//! instead of being built from a tree of owned values each time.

/// X.690 tags, constructed bit included.
pub(crate) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// `[0]`, constructed: EXPLICIT, or IMPLICIT over a SEQUENCE or SET.
    pub(crate) const CONTEXT_0: u8 = 0xa0;
}

/// Tag, length, and `parts` one after the other as the value.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // Tag, and at most nine octets of length.
    let mut out = Vec::with_capacity(length + 10);
    out.push(tag);
    write_length(length, &mut out);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// SEQUENCE of encoded elements.
pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(tag::SEQUENCE, parts)
}

/// SET OF encoded elements, in the order that DER demands: ascending as octet strings (X.690 section 11.6).
pub(crate) fn set_of(mut elements: Vec<Vec<u8>>) -> Vec<u8> {
    elements.sort_unstable();
    let parts: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
    tlv(tag::SET, &parts)
}

/// OCTET STRING.
pub(crate) fn octet_string(bytes: &[u8]) -> Vec<u8> {
    tlv(tag::OCTET_STRING, &[bytes])
}

/// INTEGER from big-endian bytes that are taken as not negative.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len());
    match &bytes[start..] {
        [] => tlv(tag::INTEGER, &[&[0]]),
        // The top bit would read as a minus sign.
        rest if rest[0] & 0x80 != 0 => tlv(tag::INTEGER, &[&[0], rest]),
        rest => tlv(tag::INTEGER, &[rest]),
    }
}

/// X.690 section 10.1: the shortest form.
fn write_length(length: usize, out: &mut Vec<u8>) {
    if let Ok(short) = u8::try_from(length)
        && short < 0x80
    {
        out.push(short);
        return;
    }
    let bytes = length.to_be_bytes();
    let start = bytes.iter().position(|&b| b != 0).unwrap_or(0);
    let significant = &bytes[start..];
    // At most eight octets, so the count fits beside the long-form bit.
    out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
    out.extend_from_slice(significant);
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::asn1::UintRef;
    use der::{Encode, Length};
    use proptest::prelude::*;

    #[test]
    fn a_set_is_sorted_by_its_encodings() {
        let set = set_of(vec![vec![4, 1, 9], vec![2, 1, 7], vec![2, 1, 3]]);
        assert_eq!(set, [0x31, 9, 2, 1, 3, 2, 1, 7, 4, 1, 9]);
    }

    proptest! {
        #[test]
        fn lengths_are_those_of_an_independent_encoder(length in 0_u32..0x0fff_ffff) {
            let mut ours = Vec::new();
            write_length(length.try_into().unwrap(), &mut ours);
            prop_assert_eq!(ours, Length::try_from(length).unwrap().to_der().unwrap());
        }

        #[test]
        fn integers_are_those_of_an_independent_encoder(bytes: Vec<u8>) {
            prop_assume!(!bytes.is_empty());
            prop_assert_eq!(unsigned(&bytes), UintRef::new(&bytes).unwrap().to_der().unwrap());
        }
    }
}
