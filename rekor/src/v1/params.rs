//! Query parameters of the v1 API, validated as go-openapi does (spec A.2, A.12).

use crate::v1::error::{ApiError, validation};

/// Parameters of a query string; of several with one name the last counts.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// An int64 parameter of at least `min`; `None` when absent or empty.
    pub(crate) fn integer(&self, name: &'static str, min: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let value: i64 = text.parse().map_err(|_| {
            let message = format!(
                "{name} in query must be of type int64: {:?}",
                crate::echo(text)
            );
            ApiError::validation(validation::TYPE, message)
        })?;
        if value < min {
            let message = format!("{name} in query should be greater than or equal to {min}");
            return Err(ApiError::validation(validation::MINIMUM, message));
        }
        Ok(Some(value))
    }

    /// As [`Self::integer`] for a parameter that must be there.
    pub(crate) fn required_integer(&self, name: &'static str, min: i64) -> Result<i64, ApiError> {
        self.integer(name, min)?.ok_or_else(|| {
            ApiError::validation(validation::REQUIRED, format!("{name} in query is required"))
        })
    }

    /// The `treeID` parameter: decimal digits of any length.
    pub(crate) fn tree_id(&self) -> Result<Option<&str>, ApiError> {
        match self.get("treeID") {
            Some(text) if !text.bytes().all(|b| b.is_ascii_digit()) => {
                let message = "treeID in query should match '^[0-9]+$'";
                Err(ApiError::validation(validation::PATTERN, message))
            }
            other => Ok(other),
        }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rev().find(|(n, _)| n == name)?;
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(value: &str) -> Params {
        Params::new(vec![("n".into(), "9".into()), ("n".into(), value.into())])
    }

    #[test]
    fn the_last_of_several_counts() {
        assert_eq!(params("3").integer("n", 0), Ok(Some(3)));
        assert_eq!(params("").integer("n", 0), Ok(None));
    }

    #[test]
    fn what_is_no_int64_is_refused() {
        for bad in ["x", "1.5", "9223372036854775808", " 1"] {
            assert!(params(bad).integer("n", 0).is_err(), "{bad}");
        }
        assert!(params("-1").integer("n", 0).is_err());
        assert!(params("").required_integer("n", 0).is_err());
    }
}
