//! Weak RSA keys (spec: size, exponent, factors that can be found).
use crate::key::KeyError;
use num_bigint::BigUint;

/// Sizes that Fulcio accepts, in bits.
const SIZES: [u32; 3] = [2048, 3072, 4096];
/// The one accepted public exponent, 65537, as big-endian bytes.
const EXPONENT: [u8; 3] = [1, 0, 1];
/// Trial division stops below this: cheap, and finds what a broken generator leaves.
const SMALL_FACTOR_LIMIT: u32 = 752;
/// Rounds of Fermat's method, as many as boulder spends: finds primes whose distance is below about 2^(bits/4 + 7).
const FERMAT_ROUNDS: u32 = 110;

/// Checks an RSA key: 2048, 3072 or 4096 bits, exponent 65537, odd, no small factor, primes not close to each other.
///
/// `modulus` and `exponent` are big-endian without leading zeros.
pub(crate) fn check_rsa(bits: u32, modulus: &[u8], exponent: &[u8]) -> Result<(), KeyError> {
    if !SIZES.contains(&bits) {
        return Err(KeyError::RsaSize { bits });
    }
    if exponent != EXPONENT {
        return Err(KeyError::RsaExponent);
    }
    if let Some(factor) = small_factor(modulus) {
        return Err(KeyError::RsaSmallFactor { factor });
    }
    if has_close_factors(&BigUint::from_bytes_be(modulus)) {
        return Err(KeyError::RsaClosePrimes);
    }
    Ok(())
}

/// Finds the smallest factor below the limit; an even modulus gives 2.
fn small_factor(modulus: &[u8]) -> Option<u32> {
    (2..SMALL_FACTOR_LIMIT).find(|factor| remainder(modulus, *factor) == 0)
}

/// Divides a big-endian number by a small one, from the left, and keeps the remainder.
fn remainder(number: &[u8], divisor: u32) -> u32 {
    number
        .iter()
        .fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % divisor)
}

/// Looks for a, b with n = a² − b² = (a + b)(a − b), starting at a = ⌈√n⌉ (Fermat's method).
fn has_close_factors(n: &BigUint) -> bool {
    let mut a = n.sqrt();
    if &(&a * &a) < n {
        a += 1u32;
    }
    // b² = a² − n grows by 2a + 1 when a grows by one.
    let mut b2 = &a * &a - n;
    for _ in 0..FERMAT_ROUNDS {
        if is_square(&b2) {
            return true;
        }
        b2 += &a * 2u32 + 1u32;
        a += 1u32;
    }
    false
}

fn is_square(n: &BigUint) -> bool {
    // Squares have 12 of 64 remainders modulo 64: four rounds in five need no root.
    let low = n.iter_u64_digits().next().unwrap_or(0) % 64;
    if !(0..64u64).any(|x| x * x % 64 == low) {
        return false;
    }
    let root = n.sqrt();
    &root * &root == *n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_close_to_each_other_are_found_and_distant_ones_are_not() {
        // 1000003 and 1000033 are neighbors; 1000003 and 7 are not.
        assert!(has_close_factors(&BigUint::from(1_000_003u64 * 1_000_033)));
        assert!(has_close_factors(&BigUint::from(1_000_003u64 * 1_000_003)));
        assert!(!has_close_factors(&BigUint::from(
            1_000_000_007u64 * 65_537
        )));
    }

    #[test]
    fn sizes_exponents_and_factors_are_named() {
        let modulus = |first: u8, last: u8| {
            let mut n = vec![0x5a; 256];
            n[0] = first;
            n[255] = last;
            n
        };
        assert_eq!(
            check_rsa(1024, &modulus(0x80, 1), &EXPONENT),
            Err(KeyError::RsaSize { bits: 1024 })
        );
        assert_eq!(
            check_rsa(2048, &modulus(0x80, 1), &[3]),
            Err(KeyError::RsaExponent)
        );
        assert_eq!(
            check_rsa(2048, &modulus(0x80, 2), &EXPONENT),
            Err(KeyError::RsaSmallFactor { factor: 2 })
        );
        let by_seven = (BigUint::from(7u32) << 2045u32) + BigUint::from(63u32);
        assert_eq!(
            check_rsa(2048, &by_seven.to_bytes_be(), &EXPONENT),
            Err(KeyError::RsaSmallFactor { factor: 7 })
        );
    }
}
