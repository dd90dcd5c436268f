//! Names that were probably meant.

use pki::extensions::FulcioExtensions;

/// The known name that is one or two typing errors away.
pub(crate) fn nearest<'n>(
    written: &str,
    known: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    // Nobody mistypes more than this, and the table below grows with its square.
    if written.len() > 64 {
        return None;
    }
    let plain = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    let written = plain(written);
    known
        .into_iter()
        .map(|name| (distance(&written, &plain(name)), name))
        .filter(|(distance, name)| *distance <= 2 && distance * 3 <= name.len())
        .min()
        .map(|(_, name)| name)
}

/// The kebab-case name of a certificate field that is written in kebab or camel case.
pub(crate) fn certificate_field(written: &str) -> Option<&'static str> {
    FulcioExtensions::names().find(|name| *name == written || camel_case(name) == written)
}

/// `source-repository-uri` as `sourceRepositoryUri`: CEL and Rego cannot say the former with a dot.
pub(crate) fn camel_case(kebab: &str) -> String {
    let mut camel = String::with_capacity(kebab.len());
    let mut raise = false;
    for c in kebab.chars() {
        match (c, raise) {
            ('-', _) => raise = true,
            (c, true) => {
                camel.push(c.to_ascii_uppercase());
                raise = false;
            }
            (c, false) => camel.push(c),
        }
    }
    camel
}

/// Levenshtein's.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, have) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (want, above) in b.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(have != *want);
            left = replaced.min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_name() {
        let known = ["threshold", "identities", "keys", "predicateType"];
        for (written, want) in [
            ("treshold", Some("threshold")),
            ("identity", None),
            ("identites", Some("identities")),
            ("predicate_type", Some("predicateType")),
            ("Keys", Some("keys")),
            ("x", None),
        ] {
            assert_eq!(nearest(written, known), want, "{written}");
        }
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, want) in [
            ("", "", 0),
            ("a", "", 1),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), want);
            assert_eq!(distance(b, a), want);
        }
    }

    #[test]
    fn fields_have_two_spellings() {
        assert_eq!(
            certificate_field("sourceRepositoryUri"),
            Some("source-repository-uri")
        );
        assert_eq!(
            certificate_field("github-workflow-ref"),
            Some("github-workflow-ref")
        );
        assert_eq!(certificate_field("issuer"), None);
    }
}
