//! JSON Canonicalization Scheme (RFC 8785), in which entry bodies are stored and hashed.

/// Serializes in canonical form: members sorted by UTF-16 code units, no spaces, ECMAScript numbers.
///
/// Numbers pass through IEEE 754 doubles as RFC 8785 section 3.2.2.3 demands, so integers beyond
/// 2^53 lose digits; Sigstore writes larger ones as strings. Fails on NaN, infinities, maps whose
/// keys are not text and values that cannot be serialized.
pub fn to_vec<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    serde_jcs::to_vec(value).map_err(|_| NotCanonical)
}

/// The value has no canonical JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the value has no canonical JSON form (a number that is not finite, or a key that is not text)"
)]
pub struct NotCanonical;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn canonical(json: &str) -> String {
        String::from_utf8(to_vec(&serde_json::from_str::<Value>(json).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn rfc_8785_section_3_2_2_values() {
        let input = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(input), expected);
    }

    #[test]
    fn rfc_8785_section_3_2_3_sorts_by_utf_16_code_units() {
        let input = r#"{
            "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
        }"#;
        let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
        assert_eq!(canonical(input), expected);
    }

    #[test]
    fn rfc_8785_appendix_b_numbers() {
        // Bit pattern and text of the table's finite rows.
        let rows: [(u64, &str); 22] = [
            (0x0000000000000000, "0"),
            (0x8000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0xffefffffffffffff, "-1.7976931348623157e+308"),
            (0x4340000000000000, "9007199254740992"),
            (0xc340000000000000, "-9007199254740992"),
            (0x4430000000000000, "295147905179352830000"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x44b52d02c7e14af7, "1.0000000000000001e+23"),
            (0x444b1ae4d6e2ef4e, "999999999999999700000"),
            (0x444b1ae4d6e2ef4f, "999999999999999900000"),
            (0x444b1ae4d6e2ef50, "1e+21"),
            (0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"),
            (0x3eb0c6f7a0b5ed8d, "0.000001"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0x41b3de4355555554, "333333333.33333325"),
            (0x41b3de4355555555, "333333333.3333333"),
            (0x41b3de4355555556, "333333333.3333334"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
        ];
        for (bits, expected) in rows {
            assert_eq!(
                to_vec(&f64::from_bits(bits)).unwrap(),
                expected.as_bytes(),
                "{bits:016x}"
            );
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        assert_eq!(to_vec(&f64::NAN), Err(NotCanonical));
        assert_eq!(to_vec(&f64::INFINITY), Err(NotCanonical));
    }
}
