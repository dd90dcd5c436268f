//! DER as bytes: bounds on foreign DER, where the parts of a SEQUENCE lie, and editing an extension list without re-encoding
//! the rest.
use crate::{limits, oid};
use const_oid::ObjectIdentifier;
use der::{Decode, Encode, Header, Length, Reader, SliceReader, Tag, TagNumber};
use std::ops::Range;

/// `[3] EXPLICIT`, the extensions of a TBSCertificate.
const EXTENSIONS_TAG: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber::N3,
};

/// Checks in one pass that DER nests at most [`limits::DER_DEPTH`] deep and that no SET has more than
/// [`limits::SET_MEMBERS`] members: to be called before foreign bytes meet a decoder that sorts.
///
/// An element with a tag of its own may be an IMPLICIT SET (signed attributes, for one), so it is bounded alike; a
/// SEQUENCE is not, since its members stay in place. The content of strings is not looked at: DER inside an OCTET STRING
/// needs a call of its own.
pub fn check_sets(der: &[u8]) -> Result<(), DerError> {
    let mut reader = SliceReader::new(der)?;
    // The elements around the reader's position, outermost first: a stack instead of recursion.
    let mut around: Vec<Constructed> = Vec::new();
    while !reader.is_finished() {
        let header = Header::decode(&mut reader)?;
        let end = (reader.position() + header.length)?;
        if let Some(parent) = around.last_mut() {
            parent.add_member(end)?;
        }
        if !header.tag.is_constructed() {
            reader.read_slice(header.length)?;
        } else if around.len() < limits::DER_DEPTH {
            around.push(Constructed {
                end,
                sorted: header.tag != Tag::Sequence,
                members: 0,
            });
        } else {
            return Err(DerError::TooDeep);
        }
        while around.last().is_some_and(|e| e.end == reader.position()) {
            around.pop();
        }
    }
    if around.is_empty() {
        Ok(())
    } else {
        Err(DerError::Malformed)
    }
}

/// Decodes foreign DER within the bounds of [`check_sets`].
pub(crate) fn decode<'a, T: Decode<'a>>(der: &'a [u8]) -> Result<T, DerError> {
    check_sets(der)?;
    Ok(T::from_der(der)?)
}

/// An element that [`check_sets`] is inside of.
struct Constructed {
    end: Length,
    /// Whether a decoder may sort the members.
    sorted: bool,
    members: usize,
}

impl Constructed {
    fn add_member(&mut self, end: Length) -> Result<(), DerError> {
        if end > self.end {
            return Err(DerError::Malformed);
        }
        self.members += 1;
        if self.sorted && self.members > limits::SET_MEMBERS {
            return Err(DerError::SetTooLarge);
        }
        Ok(())
    }
}

/// Why DER was refused before it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// Lengths or tags are wrong.
    #[error("not well-formed DER")]
    Malformed,
    /// Deeper than [`limits::DER_DEPTH`].
    #[error("DER nests more than {} deep", limits::DER_DEPTH)]
    TooDeep,
    /// A SET with more members than [`limits::SET_MEMBERS`].
    #[error("a DER SET has more than {} members", limits::SET_MEMBERS)]
    SetTooLarge,
}

impl From<der::Error> for DerError {
    fn from(_: der::Error) -> Self {
        Self::Malformed
    }
}

/// Finds the byte ranges of the elements inside one constructed element, which must fill `der` exactly.
pub(crate) fn children(der: &[u8], tag: Tag) -> der::Result<Vec<Range<usize>>> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?.tag.assert_eq(tag)?;
    reader_matches_header(der, reader.position())?;
    let mut ranges = Vec::new();
    while !reader.is_finished() {
        let start = usize::try_from(reader.position())?;
        reader.tlv_bytes()?;
        ranges.push(start..usize::try_from(reader.position())?);
    }
    Ok(ranges)
}

/// Refuses trailing or missing bytes after the outer element.
fn reader_matches_header(der: &[u8], body: Length) -> der::Result<()> {
    let header = Header::decode(&mut SliceReader::new(der)?)?;
    let have = Length::try_from(der.len())?;
    if (body + header.length)? == have {
        Ok(())
    } else {
        Err(der::ErrorKind::Length { tag: header.tag }.into())
    }
}

/// Encodes an element from its tag and content.
pub(crate) fn wrap(tag: Tag, content: &[u8]) -> der::Result<Vec<u8>> {
    let header = Header::new(tag, Length::try_from(content.len())?)?;
    let mut out = Vec::with_capacity(content.len() + 6);
    header.encode_to_vec(&mut out)?;
    out.extend_from_slice(content);
    Ok(out)
}

/// Copies a TBSCertificate, dropping the extensions that `keep` refuses and appending `append` (a whole Extension).
///
/// Works on the bytes: everything else stays as it was, so that the result is what was signed or will be signed,
/// whatever an encoder would make of it. An extension list that becomes empty is left out (RFC 5280 wants at least one).
pub(crate) fn edit_extensions(
    tbs: &[u8],
    keep: impl Fn(&ObjectIdentifier) -> bool,
    append: Option<&[u8]>,
) -> der::Result<Vec<u8>> {
    let mut body = Vec::with_capacity(tbs.len() + append.map_or(0, <[u8]>::len));
    let mut extensions = Vec::new();
    for range in children(tbs, Tag::Sequence)? {
        let part = &tbs[range];
        if first_tag(part)? == EXTENSIONS_TAG {
            extensions = kept_extensions(part, &keep)?;
        } else {
            body.extend_from_slice(part);
        }
    }
    extensions.extend_from_slice(append.unwrap_or_default());
    if !extensions.is_empty() {
        body.extend(wrap(EXTENSIONS_TAG, &wrap(Tag::Sequence, &extensions)?)?);
    }
    wrap(Tag::Sequence, &body)
}

fn kept_extensions(
    explicit: &[u8],
    keep: &impl Fn(&ObjectIdentifier) -> bool,
) -> der::Result<Vec<u8>> {
    let mut kept = Vec::with_capacity(explicit.len());
    for list in children(explicit, EXTENSIONS_TAG)? {
        let list = &explicit[list];
        for range in children(list, Tag::Sequence)? {
            let extension = &list[range];
            if keep(&extension_oid(extension)?) {
                kept.extend_from_slice(extension);
            }
        }
    }
    Ok(kept)
}

fn extension_oid(extension: &[u8]) -> der::Result<ObjectIdentifier> {
    let mut reader = SliceReader::new(extension)?;
    Header::decode(&mut reader)?;
    ObjectIdentifier::decode(&mut reader)
}

/// Tells whether an extension belongs to certificate transparency and is no part of what a log signs (RFC 6962 section 3.2).
pub(crate) fn is_transparency(id: &ObjectIdentifier) -> bool {
    *id == oid::POISON || *id == oid::SCT_LIST
}

/// Reads the tag of an encoded element.
pub(crate) fn first_tag(der: &[u8]) -> der::Result<Tag> {
    SliceReader::new(der)?.peek_tag()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn children_refuses_trailing_bytes() {
        let null = children(&[0x30, 0x02, 0x05, 0x00], Tag::Sequence).unwrap();
        assert_eq!((null.len(), null[0].clone()), (1, 2..4));
        assert!(children(&[0x30, 0x02, 0x05, 0x00, 0x00], Tag::Sequence).is_err());
        assert!(children(&[0x30, 0x03, 0x05, 0x00], Tag::Sequence).is_err());
    }

    /// An element of `count` empty OCTET STRINGs.
    fn with_members(tag: Tag, count: usize) -> Vec<u8> {
        wrap(tag, &[0x04, 0x00].repeat(count)).unwrap()
    }

    #[test]
    fn a_set_has_at_most_64_members_whatever_its_tag() {
        for tag in [Tag::Set, EXTENSIONS_TAG] {
            assert_eq!(check_sets(&with_members(tag, 64)), Ok(()));
            assert_eq!(
                check_sets(&with_members(tag, 65)),
                Err(DerError::SetTooLarge)
            );
        }
        assert_eq!(check_sets(&with_members(Tag::Sequence, 10_000)), Ok(()));
    }

    #[test]
    fn a_set_is_found_behind_and_below_others() {
        let inner = wrap(Tag::Sequence, &with_members(Tag::Set, 65)).unwrap();
        let outer = [with_members(Tag::Set, 64), inner].concat();
        assert_eq!(
            check_sets(&wrap(Tag::Sequence, &outer).unwrap()),
            Err(DerError::SetTooLarge)
        );
        // Members are counted, not the elements inside them.
        let nested = with_members(Tag::Set, 2).repeat(60);
        assert_eq!(check_sets(&wrap(Tag::Set, &nested).unwrap()), Ok(()));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| {
            (1..depth).fold(with_members(Tag::Sequence, 0), |inner, _| {
                wrap(Tag::Sequence, &inner).unwrap()
            })
        };
        assert_eq!(check_sets(&nested(32)), Ok(()));
        assert_eq!(check_sets(&nested(33)), Err(DerError::TooDeep));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_refused() {
        for der in [
            &[0x30, 0x02, 0x04, 0x01, 0x00][..], // the member ends behind its parent
            &[0x30, 0x03, 0x04, 0x00],           // the parent ends behind the bytes
            &[0x30, 0x80, 0x00, 0x00],           // indefinite length
            &[0x30],
        ] {
            assert_eq!(check_sets(der), Err(DerError::Malformed), "{der:02x?}");
        }
    }

    #[test]
    fn an_emptied_extension_list_is_left_out() {
        // SEQUENCE { NULL, [3] { SEQUENCE { SEQUENCE { OID 2.5.29.15, OCTET STRING } } } }
        let tbs = [
            0x30, 0x0f, 0x05, 0x00, 0xa3, 0x0b, 0x30, 0x09, 0x30, 0x07, 0x06, 0x03, 0x55, 0x1d,
            0x0f, 0x04, 0x00,
        ];
        assert_eq!(edit_extensions(&tbs, |_| true, None).unwrap(), tbs);
        assert_eq!(
            edit_extensions(&tbs, |_| false, None).unwrap(),
            [0x30, 0x02, 0x05, 0x00]
        );
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_sets(&bytes);
            let _ = children(&bytes, Tag::Sequence);
            let _ = edit_extensions(&bytes, |_| true, None);
        }
    }
}
