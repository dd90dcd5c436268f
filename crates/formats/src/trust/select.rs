//! Which services a client uses (spec/clients.md a.2).

use super::{Service, ServiceConfiguration, TrustError, check};
use std::cmp::Reverse;
use time::OffsetDateTime;

pub(super) fn services<'a>(
    services: &'a [Service],
    supported: &[u32],
    config: Option<&ServiceConfiguration>,
    now: OffsetDateTime,
) -> Result<Vec<&'a Service>, TrustError> {
    // 1. Valid now, and of a version that the caller speaks.
    let valid: Vec<_> = services
        .iter()
        .filter(|service| service.valid_for.contains(now))
        .collect();
    let mut usable: Vec<_> = valid
        .iter()
        .copied()
        .filter(|service| supported.contains(&service.major_api_version))
        .collect();
    if usable.is_empty() {
        return Err(TrustError::NoService {
            listed: services.len(),
            invalid: services.len() - valid.len(),
            unsupported: valid.len(),
            supported: supported.to_vec(),
        });
    }

    // 2. Highest version first, then newest; the sort keeps the file's order among equals.
    usable.sort_by_key(|service| {
        Reverse((service.major_api_version, service.valid_for.start_time()))
    });

    // 3. The first of each operator.
    let mut chosen: Vec<&Service> = Vec::new();
    for service in usable {
        if chosen
            .iter()
            .all(|earlier| earlier.operator != service.operator)
        {
            chosen.push(service);
        }
    }

    // 4. As many operators as the selector says.
    if let Some(config) = config {
        check::selector(config)?;
    }
    let want = match config.map(|config| (config.selector.as_str(), config.count)) {
        Some(("ALL", _)) => chosen.len(),
        Some(("EXACT", Some(count))) => {
            let want = usize::try_from(count).unwrap_or(usize::MAX);
            if want > chosen.len() {
                return Err(TrustError::TooFewOperators {
                    want: count,
                    have: chosen.len(),
                });
            }
            want
        }
        _ => 1,
    };
    chosen.truncate(want);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::super::{SigningConfig, TimeRange};
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-06-01 0:00 UTC);

    fn service(url: &str, version: u32, start: &str, operator: &str) -> Service {
        let valid_for = TimeRange {
            start: Some(start.into()),
            end: None,
        };
        Service {
            url: url.into(),
            major_api_version: version,
            valid_for,
            operator: operator.into(),
        }
    }

    fn config(selector: &str, count: Option<u32>) -> ServiceConfiguration {
        ServiceConfiguration {
            selector: selector.into(),
            count,
        }
    }

    fn select(
        services: &[Service],
        supported: &[u32],
        config: Option<&ServiceConfiguration>,
    ) -> Vec<String> {
        let chosen = SigningConfig::select(services, supported, config, NOW).unwrap();
        chosen
            .into_iter()
            .map(|service| service.url.clone())
            .collect()
    }

    fn two_operators() -> Vec<Service> {
        vec![
            service("a1", 1, "2024-01-01T00:00:00Z", "a"),
            service("a2", 2, "2023-01-01T00:00:00Z", "a"),
            service("a2-newer", 2, "2025-01-01T00:00:00Z", "a"),
            service("a2-future", 2, "2027-01-01T00:00:00Z", "a"),
            service("b1", 1, "2026-01-01T00:00:00Z", "b"),
        ]
    }

    #[test]
    fn any_takes_the_highest_version_that_is_newest() {
        assert_eq!(
            select(&two_operators(), &[1, 2], Some(&config("ANY", None))),
            ["a2-newer"]
        );
        assert_eq!(select(&two_operators(), &[1, 2], None), ["a2-newer"]);
    }

    #[test]
    fn all_takes_one_of_every_operator() {
        assert_eq!(
            select(&two_operators(), &[1, 2], Some(&config("ALL", None))),
            ["a2-newer", "b1"]
        );
        assert_eq!(
            select(&two_operators(), &[1], Some(&config("ALL", None))),
            ["b1", "a1"]
        );
    }

    #[test]
    fn exact_counts_operators() {
        assert_eq!(
            select(&two_operators(), &[1, 2], Some(&config("EXACT", Some(2)))).len(),
            2
        );
        let three = config("EXACT", Some(3));
        assert_eq!(
            SigningConfig::select(&two_operators(), &[1, 2], Some(&three), NOW),
            Err(TrustError::TooFewOperators { want: 3, have: 2 })
        );
    }

    #[test]
    fn a_selector_that_cannot_be_obeyed_is_refused() {
        for bad in [
            config("EXACT", None),
            config("EXACT", Some(0)),
            config("SERVICE_SELECTOR_UNDEFINED", None),
        ] {
            let error = SigningConfig::select(&two_operators(), &[1], Some(&bad), NOW).unwrap_err();
            assert!(matches!(error, TrustError::Selector { .. }));
        }
    }

    #[test]
    fn an_empty_choice_says_what_was_in_the_way() {
        let mut services = two_operators();
        services[0].valid_for.end = Some("2026-05-31T23:59:59Z".into());
        assert_eq!(
            SigningConfig::select(&services, &[3], None, NOW),
            Err(TrustError::NoService {
                listed: 5,
                invalid: 2,
                unsupported: 3,
                supported: vec![3]
            })
        );
    }

    #[test]
    fn a_range_is_inclusive_and_without_start_holds_nothing() {
        let at = datetime!(2026-01-01 0:00 UTC);
        let text = || Some("2026-01-01T00:00:00Z".to_owned());
        assert!(
            TimeRange {
                start: text(),
                end: text()
            }
            .contains(at)
        );
        assert!(
            !TimeRange {
                start: text(),
                end: text()
            }
            .contains(at + time::Duration::SECOND)
        );
        assert!(
            !TimeRange {
                start: None,
                end: text()
            }
            .contains(at)
        );
        assert!(
            !TimeRange {
                start: text(),
                end: Some("soon".into())
            }
            .contains(at)
        );
    }
}
