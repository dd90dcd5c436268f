//! Paths that hold and paths that do not, one reason each.
use crate::support::*;
use pki::cert::{CertError, Certificate};
use pki::key::KeyError;
use pki::path::{PathError, Usage, check_ca_chain, check_path};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use time::{Duration, OffsetDateTime};

const CODE: Usage = Usage::CodeSigning;

/// Checks leaf ← intermediates ← root now, and gives the length of the path.
fn path_length(
    leaf: &Certificate,
    intermediates: &[&Holder],
    anchors: &[&Holder],
    usage: Usage,
) -> Result<usize, PathError> {
    length_at(leaf, intermediates, anchors, usage, NOW)
}

fn length_at(
    leaf: &Certificate,
    intermediates: &[&Holder],
    anchors: &[&Holder],
    usage: Usage,
    at: OffsetDateTime,
) -> Result<usize, PathError> {
    let intermediates: Vec<_> = intermediates.iter().map(|holder| &holder.cert).collect();
    let anchors: Vec<_> = anchors.iter().map(|holder| &holder.cert).collect();
    let path = check_path(leaf, &intermediates, &anchors, usage, at)?;
    assert_eq!(path[0], leaf);
    Ok(path.len())
}

fn edited(
    mut params: CertificateParams,
    edit: impl FnOnce(&mut CertificateParams),
) -> CertificateParams {
    edit(&mut params);
    params
}

/// An intermediate as Fulcio wants it: path length 0, EKU codeSigning.
fn intermediate_params() -> CertificateParams {
    edited(ca_params("intermediate"), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    })
}

/// Issues leaf and intermediate under a new root and checks them.
fn with_intermediate(edit: impl FnOnce(&mut CertificateParams)) -> Result<usize, PathError> {
    let root = root();
    let intermediate = issue(&root, edited(intermediate_params(), edit));
    let leaf = issue(&intermediate, leaf_params("leaf")).cert;
    path_length(&leaf, &[&intermediate], &[&root], CODE)
}

fn with_leaf(edit: impl FnOnce(&mut CertificateParams)) -> Result<usize, PathError> {
    let root = root();
    let leaf = issue(&root, edited(leaf_params("leaf"), edit)).cert;
    path_length(&leaf, &[], &[&root], CODE)
}

#[test]
fn fulcio_leaves_have_paths_with_and_without_intermediate() {
    let root = root();
    let intermediate = issue(&root, intermediate_params());
    let leaf = fulcio_leaf(&intermediate);
    assert_eq!(path_length(&leaf, &[&intermediate], &[&root], CODE), Ok(3));
    assert_eq!(
        path_length(&fulcio_leaf(&root), &[&intermediate], &[&root], CODE),
        Ok(2)
    );
}

#[test]
fn a_trusted_intermediate_ends_the_path() {
    let root = root();
    let intermediate = issue(&root, intermediate_params());
    let leaf = fulcio_leaf(&intermediate);
    assert_eq!(path_length(&leaf, &[], &[&intermediate], CODE), Ok(2));
    assert_eq!(
        path_length(&leaf, &[&intermediate], &[&root, &intermediate], CODE),
        Ok(2)
    );
}

#[test]
fn a_trusted_leaf_is_a_path_of_its_own_but_must_still_fit() {
    let leaf = issue(&root(), leaf_params("leaf"));
    assert_eq!(path_length(&leaf.cert, &[], &[&leaf], CODE), Ok(1));
    let wrong = path_length(&leaf.cert, &[], &[&leaf], Usage::TimeStamping);
    assert_eq!(
        wrong,
        Err(PathError::ExtendedKeyUsage {
            position: 0,
            usage: Usage::TimeStamping
        })
    );
}

#[test]
fn an_unknown_issuer_is_reported_at_its_place() {
    let root = root();
    let intermediate = issue(&root, intermediate_params());
    let leaf = fulcio_leaf(&intermediate);
    assert_eq!(
        path_length(&leaf, &[], &[&root], CODE),
        Err(PathError::NoIssuer { position: 0 })
    );
    assert_eq!(
        path_length(&leaf, &[&intermediate], &[], CODE),
        Err(PathError::NoIssuer { position: 1 })
    );
}

#[test]
fn a_namesake_with_another_key_is_not_the_issuer() {
    // rcgen names keys: the key identifiers differ.
    let leaf = fulcio_leaf(&root());
    assert_eq!(
        path_length(&leaf, &[], &[&root()], CODE),
        Err(PathError::NoIssuer { position: 0 })
    );
    // Without key identifiers the signature decides.
    let anonymous = issue(
        &root(),
        edited(leaf_params("leaf"), |params| {
            params.use_authority_key_identifier_extension = false
        }),
    );
    let error = path_length(&anonymous.cert, &[], &[&root()], CODE);
    assert_eq!(
        error,
        Err(PathError::Signature {
            position: 0,
            reason: CertError::Signature
        })
    );
}

#[test]
fn the_right_one_of_two_namesakes_is_found() {
    let (one, two) = (root(), root());
    let leaf = issue(
        &two,
        edited(leaf_params("leaf"), |params| {
            params.use_authority_key_identifier_extension = false
        }),
    );
    assert_eq!(path_length(&leaf.cert, &[], &[&one, &two], CODE), Ok(2));
}

#[test]
fn every_certificate_must_be_valid_at_the_time() {
    let root = root();
    let leaf = fulcio_leaf(&root);
    let at = |at| length_at(&leaf, &[], &[&root], CODE, at);
    let end = NOW + Duration::minutes(10);
    assert_eq!((at(NOW), at(end)), (Ok(2), Ok(2)));
    let late = end + Duration::seconds(1);
    assert_eq!(
        at(late),
        Err(PathError::Expired {
            position: 0,
            not_after: end,
            at: late
        })
    );
    let early = NOW - Duration::seconds(1);
    assert_eq!(
        at(early),
        Err(PathError::NotYetValid {
            position: 0,
            not_before: NOW,
            at: early
        })
    );
    let expired = with_intermediate(|params| params.not_after = NOW - Duration::days(1));
    assert_eq!(
        expired,
        Err(PathError::Expired {
            position: 1,
            not_after: NOW - Duration::days(1),
            at: NOW
        })
    );
}

#[test]
fn the_leaf_must_be_a_signing_leaf() {
    assert_eq!(with_leaf(|_| ()), Ok(2));
    assert_eq!(with_leaf(|params| params.is_ca = IsCa::ExplicitNoCa), Ok(2));
    assert_eq!(
        with_leaf(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        Err(PathError::LeafIsCa)
    );
    let no_usage = Err(PathError::KeyUsage {
        position: 0,
        want: "digitalSignature",
    });
    assert_eq!(with_leaf(|params| params.key_usages = vec![]), no_usage);
    assert_eq!(
        with_leaf(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]),
        no_usage
    );
    let no_eku = Err(PathError::ExtendedKeyUsage {
        position: 0,
        usage: CODE,
    });
    assert_eq!(
        with_leaf(|params| params.extended_key_usages = vec![]),
        no_eku
    );
    assert_eq!(
        with_leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        no_eku
    );
    assert_eq!(
        with_leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
        no_eku
    );
}

#[test]
fn an_issuer_must_be_a_ca_that_may_sign_certificates() {
    assert_eq!(with_intermediate(|_| ()), Ok(3));
    assert_eq!(
        with_intermediate(|params| params.is_ca = IsCa::ExplicitNoCa),
        Err(PathError::NotCa { position: 1 })
    );
    assert_eq!(
        with_intermediate(|params| params.is_ca = IsCa::NoCa),
        Err(PathError::NotCa { position: 1 })
    );
    let no_sign = with_intermediate(|params| params.key_usages = vec![KeyUsagePurpose::CrlSign]);
    assert_eq!(
        no_sign,
        Err(PathError::KeyUsage {
            position: 1,
            want: "keyCertSign"
        })
    );
}

#[test]
fn extended_key_usages_chain() {
    assert_eq!(
        with_intermediate(|params| params.extended_key_usages = vec![]),
        Ok(3)
    );
    assert_eq!(
        with_intermediate(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]),
        Ok(3)
    );
    let other = with_intermediate(|params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping]
    });
    assert_eq!(
        other,
        Err(PathError::ExtendedKeyUsage {
            position: 1,
            usage: CODE
        })
    );
}

#[test]
fn path_length_limits_the_cas_below() {
    let root = self_signed(
        edited(ca_params("root"), |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))
        }),
        KeyPair::generate().unwrap(),
    );
    let intermediate = issue(&root, intermediate_params());
    let leaf = fulcio_leaf(&intermediate);
    let error = path_length(&leaf, &[&intermediate], &[&root], CODE);
    assert_eq!(
        error,
        Err(PathError::PathLength {
            position: 2,
            limit: 0,
            below: 1
        })
    );
    assert_eq!(path_length(&fulcio_leaf(&root), &[], &[&root], CODE), Ok(2));
}

#[test]
fn unknown_critical_extensions_are_refused_and_others_ignored() {
    let extension = |critical| {
        let mut extension = CustomExtension::from_oid_content(&[1, 2, 3, 4, 5], vec![5, 0]);
        extension.set_criticality(critical);
        extension
    };
    assert_eq!(
        with_leaf(|params| params.custom_extensions = vec![extension(false)]),
        Ok(2)
    );
    let unknown = |position| {
        Err(PathError::UnknownCriticalExtension {
            position,
            oid: "1.2.3.4.5".into(),
        })
    };
    assert_eq!(
        with_leaf(|params| params.custom_extensions = vec![extension(true)]),
        unknown(0)
    );
    assert_eq!(
        with_intermediate(|params| params.custom_extensions = vec![extension(true)]),
        unknown(1)
    );
}

#[test]
fn name_constraints_are_refused() {
    let constraints = NameConstraints {
        permitted_subtrees: vec![rcgen::GeneralSubtree::Rfc822Name("a.example".into())],
        excluded_subtrees: vec![],
    };
    let error = with_intermediate(|params| params.name_constraints = Some(constraints));
    assert_eq!(error, Err(PathError::NameConstraints { position: 1 }));
}

#[test]
fn a_precertificate_has_no_path() {
    let root = root();
    let key = public_key(&KeyPair::generate().unwrap());
    let tbs = pki::profile::LeafTbs::build(&root.cert, request(&key, email())).unwrap();
    let precert = certify(&root, &tbs.precertificate().unwrap());
    let oid = "1.3.6.1.4.1.11129.2.4.3".to_owned();
    assert_eq!(
        path_length(&precert, &[], &[&root], CODE),
        Err(PathError::UnknownCriticalExtension { position: 0, oid })
    );
}

#[test]
fn a_chain_of_eight_holds_and_one_of_nine_does_not() {
    let mut chain = vec![root()];
    for number in 1..=7 {
        let next = issue(&chain[number - 1], ca_params(&format!("ca {number}")));
        chain.push(next);
    }
    let check = |last: usize| {
        let leaf = fulcio_leaf(&chain[last]);
        path_length(
            &leaf,
            &chain[1..].iter().collect::<Vec<_>>(),
            &[&chain[0]],
            CODE,
        )
    };
    assert_eq!(check(6), Ok(8));
    assert_eq!(check(7), Err(PathError::TooLong { max: 8 }));
}

#[test]
fn crossed_namesakes_run_out_of_work_instead_of_time() {
    // Twenty CAs of one name and key, with no anchor: every order of them would be a path to try.
    let params = edited(ca_params("hydra"), |params| {
        params.use_authority_key_identifier_extension = false
    });
    let key = KeyPair::generate().unwrap();
    let first = self_signed(params.clone(), key);
    let heads: Vec<_> = (1..=20u64)
        .map(|serial| {
            let params = edited(params.clone(), |params| {
                params.serial_number = Some(serial.into())
            });
            Certificate::parse_der(params.self_signed(&first.key).unwrap().der()).unwrap()
        })
        .collect();
    let leaf = fulcio_leaf(&first);
    let error = check_path(&leaf, &heads.iter().collect::<Vec<_>>(), &[], CODE, NOW);
    assert_eq!(error, Err(PathError::TooMuchWork { max: 64 }));
    let many = vec![&first.cert; 257];
    assert_eq!(
        check_path(&leaf, &many, &[], CODE, NOW),
        Err(PathError::TooManyCandidates {
            count: 257,
            max: 256
        })
    );
}

#[test]
fn a_timestamping_leaf_has_that_one_critical_purpose() {
    let root = root();
    let check = |edit: &dyn Fn(&mut CertificateParams)| {
        let params = edited(leaf_params("tsa"), |params| {
            params.extended_key_usages = vec![];
            edit(params);
        });
        path_length(
            &issue(&root, params).cert,
            &[],
            &[&root],
            Usage::TimeStamping,
        )
    };
    assert_eq!(
        check(&|params| params.custom_extensions = vec![critical_eku(&[8])]),
        Ok(2)
    );
    let not_exclusive = Err(PathError::TimeStampingNotExclusive);
    assert_eq!(
        check(&|params| params.custom_extensions = vec![critical_eku(&[8, 3])]),
        not_exclusive
    );
    assert_eq!(
        check(&|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping]),
        not_exclusive
    );
    let missing = Err(PathError::ExtendedKeyUsage {
        position: 0,
        usage: Usage::TimeStamping,
    });
    assert_eq!(
        check(&|params| params.custom_extensions = vec![critical_eku(&[3])]),
        missing
    );
}

#[test]
fn a_ca_chain_is_checked_whole() {
    let root = root();
    let chain = |edit: &dyn Fn(&mut CertificateParams)| {
        let intermediate = issue(&root, edited(intermediate_params(), |params| edit(params)));
        check_ca_chain(&[intermediate.cert, root.cert.clone()], CODE, NOW)
    };
    assert_eq!(chain(&|_| ()), Ok(()));
    assert_eq!(
        check_ca_chain(std::slice::from_ref(&root.cert), CODE, NOW),
        Ok(())
    );
    // Fulcio wants the usage on the intermediate though verifiers would do without.
    let no_eku = Err(PathError::ExtendedKeyUsage {
        position: 0,
        usage: CODE,
    });
    assert_eq!(chain(&|params| params.extended_key_usages = vec![]), no_eku);
    assert_eq!(
        chain(&|params| params.is_ca = IsCa::ExplicitNoCa),
        Err(PathError::NotCa { position: 0 })
    );
    let expired = chain(&|params| params.not_after = NOW - Duration::days(1));
    assert!(matches!(
        expired,
        Err(PathError::Expired { position: 0, .. })
    ));
}

#[test]
fn a_ca_chain_in_the_wrong_order_or_with_a_weak_key_is_refused() {
    let root = root();
    let intermediate = issue(
        &root,
        edited(intermediate_params(), |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
        }),
    );
    let reversed = [root.cert.clone(), intermediate.cert.clone()];
    assert!(matches!(
        check_ca_chain(&reversed, CODE, NOW),
        Err(PathError::ExtendedKeyUsage { position: 0, .. })
    ));
    let unrelated = [
        intermediate.cert,
        self_signed(ca_params("other"), KeyPair::generate().unwrap()).cert,
    ];
    assert_eq!(
        check_ca_chain(&unrelated, CODE, NOW),
        Err(PathError::ChainOrder { position: 0 })
    );
    assert_eq!(check_ca_chain(&[], CODE, NOW), Err(PathError::EmptyChain));
    assert_eq!(
        PathError::WeakKey(KeyError::RsaExponent).to_string(),
        "key of the issuing CA: RSA public exponent is not 65537"
    );
}
