//! DER as bytes: bounds on foreign DER, where the parts of a SEQUENCE lie, and editing an extension list without re-encoding
//! the rest.
use crate::{limits, oid};
use const_oid::ObjectIdentifier;
use der::{Decode, Encode, Header, Length, Reader, SliceReader, Tag, TagNumber};
use std::ops::Range;

/// The identifier octet of a SEQUENCE.
const SEQUENCE: u8 = 0x30;
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
    let mut at = 0;
    // The elements around the position, outermost first: a stack instead of recursion.
    let mut around: Vec<Constructed> = Vec::with_capacity(limits::DER_DEPTH);
    while at < der.len() {
        let header = Head::read(&der[at..])?;
        at += header.len;
        let end = at + header.content;
        if let Some(parent) = around.last_mut() {
            parent.add_member(end)?;
        }
        if !header.is_constructed() {
            if end > der.len() {
                return Err(DerError::Malformed);
            }
            at = end;
        } else if around.len() < limits::DER_DEPTH {
            around.push(Constructed {
                end,
                sorted: header.tag != SEQUENCE,
                members: 0,
            });
        } else {
            return Err(DerError::TooDeep);
        }
        while around.last().is_some_and(|e| e.end == at) {
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
    end: usize,
    /// Whether a decoder may sort the members.
    sorted: bool,
    members: usize,
}

impl Constructed {
    fn add_member(&mut self, end: usize) -> Result<(), DerError> {
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

/// Tag and lengths in front of an element.
struct Head {
    /// The identifier octet.
    tag: u8,
    /// Bytes of tag and length.
    len: usize,
    /// Bytes of the content, which need not be there.
    content: usize,
}

impl Head {
    /// Reads what [`Header`] reads, the usual lengths without its detours.
    fn read(der: &[u8]) -> Result<Self, DerError> {
        let (len, content) = match *der {
            [_, len @ 0..=0x7f, ..] => (2, usize::from(len)),
            [_, 0x81, len @ 0x80..=0xff, ..] => (3, usize::from(len)),
            [_, 0x82, high @ 1..=0xff, low, ..] => {
                (4, usize::from(u16::from_be_bytes([high, low])))
            }
            _ => return Self::read_unusual(der),
        };
        let tag = *der.first().ok_or(DerError::Malformed)?;
        match is_known(tag) {
            true => Ok(Self { tag, len, content }),
            false => Err(DerError::Malformed),
        }
    }

    fn read_unusual(der: &[u8]) -> Result<Self, DerError> {
        let mut reader = SliceReader::new(der)?;
        let header = Header::decode(&mut reader)?;
        Ok(Self {
            tag: header.tag.octet(),
            len: usize::try_from(reader.position())?,
            content: usize::try_from(header.length)?,
        })
    }

    fn is_constructed(&self) -> bool {
        self.tag & 0x20 != 0
    }
}

/// Whether [`Tag`] knows the identifier octet.
fn is_known(tag: u8) -> bool {
    match tag {
        0x01..=0x06 | 0x09 | 0x0a | 0x0c | 0x12..=0x18 | 0x1a | 0x1e | 0x30 | 0x31 => true,
        // A number of 31 announces a longer one.
        0x40.. => tag & 0x1f != 0x1f,
        _ => false,
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
pub(crate) fn children(der: &[u8], tag: Tag) -> Result<Vec<Range<usize>>, DerError> {
    let head = Head::read(der)?;
    if head.tag != tag.octet() || head.len + head.content != der.len() {
        return Err(DerError::Malformed);
    }
    // A certificate's signed part has the most members, ten.
    let mut ranges = Vec::with_capacity(10);
    let mut at = head.len;
    while at < der.len() {
        let head = Head::read(&der[at..])?;
        let end = at + head.len + head.content;
        if end > der.len() {
            return Err(DerError::Malformed);
        }
        ranges.push(at..end);
        at = end;
    }
    Ok(ranges)
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
) -> Result<Vec<u8>, DerError> {
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
    Ok(wrap(Tag::Sequence, &body)?)
}

fn kept_extensions(
    explicit: &[u8],
    keep: &impl Fn(&ObjectIdentifier) -> bool,
) -> Result<Vec<u8>, DerError> {
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
    fn the_tags_are_those_that_the_library_knows() {
        for octet in 0..=u8::MAX {
            let known = Tag::try_from(octet).is_ok();
            assert_eq!(is_known(octet), known, "{octet:#x}");
        }
    }

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
        fn a_header_is_read_as_the_library_reads_it(tag: u8, length in 0u8..5, bytes: [u8; 8], cut in 0usize..10) {
            let first = if length == 0 { bytes[0] } else { 0x80 + length };
            let der = [&[tag, first], &bytes[..]].concat();
            let der = &der[..cut];
            let theirs = SliceReader::new(der).and_then(|mut reader| {
                let header = Header::decode(&mut reader)?;
                Ok((header.tag.octet(), usize::try_from(reader.position())?, usize::try_from(header.length)?))
            });
            let ours = Head::read(der).map(|head| (head.tag, head.len, head.content));
            prop_assert_eq!(ours.ok(), theirs.ok());
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = check_sets(&bytes);
            let _ = children(&bytes, Tag::Sequence);
            let _ = edit_extensions(&bytes, |_| true, None);
        }
    }
}
