//! An upload to the verifier's API. What it says does not depend on how it is cut on the way.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verifier_api::fuzzing;

fuzz_target!(|input: &[u8]| {
    let Some((step, body)) = input.split_first() else {
        return;
    };
    let whole = fuzzing::form(body, usize::MAX);
    let cut = fuzzing::form(body, usize::from(*step));
    match (whole, cut) {
        (Ok(()), Ok(())) => {}
        (Err(whole), Err(cut)) => {
            assert!(
                (400..500).contains(&whole.status) && whole.field.is_some(),
                "{whole:?}"
            );
            assert_eq!(whole.status, cut.status, "{whole:?} {cut:?}");
        }
        (whole, cut) => panic!("{whole:?} {cut:?}"),
    }
});
